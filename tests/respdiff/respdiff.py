#!/usr/bin/python3
"""Asks several resolvers the same questions and compares what they answer: RCODE, the answer section as a set (without
TTLs, names in lower case), and of what does not exist the name of the zone that says so.

Questions are made from the zone files in --zones: every name with every type that it has and the usual ones, the name in
mixed case, names that do not exist beside and below it. The first --resolver is the one on trial. Where all others say the
same, it must say the same; where they differ, it must agree with one of them. A line of --explained says where it need not:

  REGEX of `name type`   | why

A resolver that says nothing within --timeout is counted as one that says SERVFAIL. Exit status: 0 no difference that is not
explained, 1 there is one or there were fewer than --least questions, 2 usage.
"""
import argparse
import collections
import concurrent.futures
import pathlib
import random
import re
import sys

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.zone

USUAL = ("A", "AAAA", "NS", "SOA", "MX", "TXT", "CNAME", "DS", "DNSKEY", "PTR", "HTTPS", "TYPE65280")
# What cannot be asked for by name from a resolver, or is answered by policy.
NOT_ASKED = {"RRSIG", "NSEC", "ANY"}
FEW = ("A", "MX")
NO_ANSWER = ("SERVFAIL", frozenset(), None)
EDNS_BYTES = 1232

Question = collections.namedtuple("Question", "name rdtype dnssec_ok")


def zones_in(directory):
    for path in sorted(pathlib.Path(directory).glob("*.zone")):
        origin = dns.name.root if path.stem == "root" else dns.name.from_text(path.stem)
        yield dns.zone.from_file(str(path), origin=origin, relativize=False, check_origin=False)


def prefixed(labels, name):
    """labels.name, or the name itself if that is too long"""
    try:
        return dns.name.Name(tuple(labels) + name.labels)
    except dns.name.NameTooLong:
        return name


def mixed_case(name, rng):
    return dns.name.Name([bytes(rng.choice((c, ord(chr(c).swapcase()))) if chr(c).isascii() and chr(c).isalpha() else c
                                for c in label) for label in name.labels])


def variations(name, rng):
    """(name, type) of what is made from a name that a zone has"""
    word = b"nx%04x" % rng.randrange(1 << 16)
    yield mixed_case(name, rng), "A"
    for labels in ((word,), (b"www", word), (b"_%s" % word,)):
        yield prefixed(labels, name), rng.choice(FEW)
    if len(name.labels) > 1:
        yield prefixed((word + name.labels[0][:4],), name.parent()), "AAAA"
        yield name.parent(), "TXT"


def questions_of(directory, seed):
    rng = random.Random(seed)
    found = {}
    for zone in zones_in(directory):
        signed = any(rds.rdtype == dns.rdatatype.DNSKEY for _, node in zone.items() for rds in node)
        for name, node in sorted(zone.items(), key=lambda item: item[0].to_text()):
            own = {dns.rdatatype.to_text(rds.rdtype) for rds in node}
            pairs = [(name, rdtype) for rdtype in sorted(own.union(USUAL))] + list(variations(name, rng))
            for qname, rdtype in pairs:
                if rdtype not in NOT_ASKED:
                    found[Question(qname, rdtype, False)] = None
                    if signed:
                        found[Question(qname, rdtype, True)] = None
    return list(found)


def text(question):
    return "%s %s%s" % (question.name.to_text(), question.rdtype, " +dnssec" if question.dnssec_ok else "")


def digest(response):
    """What is compared of a response, as a value; whatever stands in a SERVFAIL is no answer."""
    if response.rcode() == dns.rcode.SERVFAIL:
        return NO_ANSWER
    answers = frozenset((str(rrset.name.canonicalize()), dns.rdatatype.to_text(rrset.rdtype), rdata.to_digestable())
                        for rrset in response.answer for rdata in rrset)
    denier = None
    for rrset in response.authority:
        if rrset.rdtype == dns.rdatatype.SOA:
            denier = str(rrset.name.canonicalize())
    return dns.rcode.to_text(response.rcode()), answers, denier


def ask(address, question, timeout_s):
    query = dns.message.make_query(question.name, question.rdtype, use_edns=0, payload=EDNS_BYTES,
                                   want_dnssec=question.dnssec_ok)
    for _ in range(2):  # a datagram may be lost in a busy machine
        try:
            response, _ = dns.query.udp_with_fallback(query, address, timeout=timeout_s)
            return digest(response)
        except dns.exception.Timeout:
            continue
        except (OSError, dns.exception.DNSException) as problem:
            return "unreadable: %s" % type(problem).__name__, frozenset(), None
    return NO_ANSWER


def ask_all(address, questions, args):
    with concurrent.futures.ThreadPoolExecutor(args.threads) as pool:
        return list(pool.map(lambda question: ask(address, question, args.timeout), questions))


def shown(said):
    rcode, answers, denier = said
    records = ["%s %s %s" % (owner, rdtype, data.hex() if len(data) < 20 else data[:18].hex() + "...")
               for owner, rdtype, data in sorted(answers)]
    return "%s %s%s" % (rcode, "; ".join(records[:6]) or "-", " (%s)" % denier if denier else "")


def read_explained(path):
    rules = []
    if path is not None:
        for line in pathlib.Path(path).read_text().splitlines():
            if line.strip() and not line.startswith("#"):
                regex, _, why = line.partition(" | ")
                rules.append((re.compile(regex.strip()), why.strip()))
    return rules


def judge(question, said, rules):
    """equal, split (the others differ, and it is with one of them), or explained: why; None: different"""
    mine, others = said[0], said[1:]
    if mine in others:
        return "equal" if len(set(others)) == 1 else "split"
    for regex, why in rules:
        if regex.search(text(question)):
            return "explained: " + why
    return None


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zones", required=True, metavar="DIRECTORY")
    parser.add_argument("--resolver", action="append", required=True, metavar="NAME=ADDRESS")
    parser.add_argument("--explained", metavar="FILE")
    parser.add_argument("--least", type=int, default=2000, help="questions that there must be (2000)")
    parser.add_argument("--seed", type=int, default=1, help="of what is made up (1)")
    parser.add_argument("--timeout", type=float, default=6, help="seconds (6)")
    parser.add_argument("--threads", type=int, default=16, help="questions under way at each resolver (16)")
    parser.add_argument("--only", metavar="REGEX", help="only these questions (`name type`), with what each says")
    return parser.parse_args()


def main():
    args = arguments()
    resolvers = [entry.split("=", 1) for entry in args.resolver]
    rules = read_explained(args.explained)
    questions = questions_of(args.zones, args.seed)
    if args.only is not None:
        questions = [q for q in questions if re.search(args.only, text(q))]
        args.least = 1
    with concurrent.futures.ThreadPoolExecutor(len(resolvers)) as pool:
        said = list(pool.map(lambda resolver: ask_all(resolver[1], questions, args), resolvers))
    counts = collections.Counter()
    for question, *answers in zip(questions, *said):
        verdict = judge(question, answers, rules)
        counts[verdict] += 1
        if verdict is None or args.only is not None:
            print("%s %s" % ("DIFFERENT" if verdict is None else verdict, text(question)))
            for (name, _), one in zip(resolvers, answers):
                print("    %-8s %s" % (name, shown(one)))
    different = counts.pop(None, 0)
    for verdict in sorted(counts):
        if verdict.startswith("explained"):
            print("%5d %s" % (counts[verdict], verdict))
    print("respdiff: %d questions: %d equal, %d where the others differ, %d explained, %d different" % (
        len(questions), counts["equal"], counts["split"],
        sum(n for verdict, n in counts.items() if verdict.startswith("explained")), different))
    return 1 if different > 0 or len(questions) < args.least else 0


if __name__ == "__main__":
    sys.exit(main())
