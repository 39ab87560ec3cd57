#include "dpdk_app/device.h"

#include <ctype.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "dpdk_app/log.h"
#include "dpdk_app/text.h"

static bool skip_hex(const char **text, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!isxdigit((unsigned char)(*text)[i]))
			return false;
	}
	*text += count;
	return true;
}

static bool skip_char(const char **text, char wanted)
{
	if (**text != wanted)
		return false;
	(*text)++;
	return true;
}

/* bus:device.function, then the end or devargs. */
static bool is_bdf(const char *text)
{
	return skip_hex(&text, 2) && skip_char(&text, ':') && skip_hex(&text, 2) &&
	       skip_char(&text, '.') && skip_hex(&text, 1) && (*text == '\0' || *text == ',');
}

static bool has_domain(const char *device)
{
	return skip_hex(&device, 4) && skip_char(&device, ':') && is_bdf(device);
}

enum device_bus device_bus(const char *device)
{
	return has_domain(device) || is_bdf(device) ? DEVICE_PCI : DEVICE_VIRTUAL;
}

void device_port_name(const char *device, char name[DEVICE_NAME_BYTES])
{
	const char *domain = is_bdf(device) ? "0000:" : "";

	snprintf(name, DEVICE_NAME_BYTES, "%s%.*s", domain, (int)strcspn(device, ","), device);
}

bool device_is_of(const char *device, const char *driver)
{
	return device_bus(device) == DEVICE_VIRTUAL && strncmp(device, driver, strlen(driver)) == 0;
}

bool device_argument(const char *device, const char *key, char *value, size_t value_bytes)
{
	size_t key_length = strlen(key);

	for (const char *p = strchr(device, ','); p != NULL; p = strchr(p, ',')) {
		p++;
		if (strncmp(p, key, key_length) == 0 && p[key_length] == '=') {
			p += key_length + 1;
			snprintf(value, value_bytes, "%.*s", (int)strcspn(p, ","), p);
			return true;
		}
	}
	return false;
}

bool device_kernel_interface(const char *device, char name[IFNAMSIZ])
{
	static const struct {
		const char *driver;
		const char *key;
	} table[] = {
		{"net_af_packet", "iface"}, {"eth_af_packet", "iface"}, {"net_af_xdp", "iface"},
		{"net_pcap", "iface"},      {"net_pcap", "rx_iface"},   {"net_pcap", "rx_iface_in"},
		{"net_pcap", "tx_iface"},   {"eth_pcap", "iface"},
	};

	for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
		if (device_is_of(device, table[i].driver) &&
		    device_argument(device, table[i].key, name, IFNAMSIZ))
			return true;
	}
	return false;
}

static bool kernel_interface_is_up(const char *name)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {0};
	bool up;

	if (fd < 0)
		return true;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	up = ioctl(fd, SIOCGIFFLAGS, &request) != 0 || (request.ifr_flags & IFF_UP) != 0;
	close(fd);
	return up;
}

/* Is a socket of this file name open in any process here? Not asked by connecting: a connection that is closed at once makes
 * DPDK 22.11 end the process that serves it. */
static bool socket_is_open(const char *path)
{
	const char *name = strrchr(path, '/') == NULL ? path : strrchr(path, '/') + 1;
	FILE *list = fopen("/proc/net/unix", "re");
	char line[512];
	bool found = list == NULL; /* who knows */

	while (!found && fgets(line, sizeof(line), list) != NULL) {
		size_t length = strcspn(line, "\n");

		found = length >= strlen(name) &&
			strncmp(line + length - strlen(name), name, strlen(name)) == 0;
	}
	if (list != NULL)
		fclose(list);
	return found;
}

/* A memif server that was killed leaves its socket in the file system, and DPDK cannot open the device again: what no process
 * has open any more is removed. */
static void remove_stale_memif(const char *device)
{
	char role[16], abstract[8], path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	struct stat status;

	if (strncmp(device, "net_memif", strlen("net_memif")) != 0 ||
	    !device_argument(device, "role", role, sizeof(role)) ||
	    (strcmp(role, "server") != 0 && strcmp(role, "master") != 0) ||
	    !device_argument(device, "socket-abstract", abstract, sizeof(abstract)) ||
	    strcmp(abstract, "no") != 0 || !device_argument(device, "socket", path, sizeof(path)))
		return;
	if (lstat(path, &status) != 0 || !S_ISSOCK(status.st_mode) || socket_is_open(path))
		return;
	if (unlink(path) == 0)
		log_write(CONFIG_LOG_INFO, "device",
			  "removed a socket that no process has open any more socket=%s", path);
}

static bool check_one(const struct config *config, unsigned idx)
{
	const struct config_interface *interface = &config->interfaces[idx];
	const struct log_place place = {config->file, interface->line, interface->column};
	char port_name[DEVICE_NAME_BYTES];
	char path[128];
	char kernel_name[IFNAMSIZ];
	struct stat status;

	if (device_bus(interface->device) == DEVICE_PCI) {
		device_port_name(interface->device, port_name);
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", port_name);
		if (stat(path, &status) == 0)
			return true;
		log_refusal(place,
			    "interfaces[%u].device: %s does not exist: no such PCI device; see "
			    "`dpdk-devbind.py --status-dev net`",
			    idx, interface->device);
		return false;
	}
	remove_stale_memif(interface->device);
	if (!device_kernel_interface(interface->device, kernel_name))
		return true;
	if (if_nametoindex(kernel_name) == 0) {
		log_refusal(place,
			    "interfaces[%u].device: %s does not exist: this network namespace has "
			    "no interface %s; see `ip link`",
			    idx, interface->device, kernel_name);
		return false;
	}
	if (!kernel_interface_is_up(kernel_name))
		log_write(CONFIG_LOG_WARNING, "device",
			  "kernel interface is down name=%s remedy=\"ip link set %s up\"",
			  kernel_name, kernel_name);
	return true;
}

static bool address_from_sockaddr(const struct sockaddr *sockaddr, struct address *out)
{
	if (sockaddr == NULL)
		return false;
	if (sockaddr->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, sockaddr, sizeof(in));
		*out = address_from_v4((const uint8_t *)&in.sin_addr);
		return true;
	}
	if (sockaddr->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, sockaddr, sizeof(in6));
		memcpy(out->bytes, &in6.sin6_addr, sizeof(out->bytes));
		return true;
	}
	return false;
}

static void warn_if_ours(const struct config *config, const bool shared[INTERFACES_MAX],
			 const struct address *address, const char *kernel_name)
{
	char text[TEXT_ADDRESS_BYTES];

	for (unsigned i = 0; i < config->interface_count; i++) {
		const struct config_interface *interface = &config->interfaces[i];

		if (shared[i])
			continue;
		for (unsigned a = 0; a < interface->address_count; a++) {
			if (!address_equal(&interface->addresses[a].address, address))
				continue;
			log_write(CONFIG_LOG_WARNING, "device",
				  "the kernel has this address too and will answer for it (ICMP, "
				  "ARP) address=%s interface=%s",
				  text_address(address, text), kernel_name);
		}
	}
}

void device_warn_of_kernel_addresses(const struct config *config, const bool shared[INTERFACES_MAX])
{
	struct ifaddrs *list;
	struct address address;

	if (getifaddrs(&list) != 0)
		return;
	for (const struct ifaddrs *i = list; i != NULL; i = i->ifa_next) {
		if (address_from_sockaddr(i->ifa_addr, &address))
			warn_if_ours(config, shared, &address, i->ifa_name);
	}
	freeifaddrs(list);
}

bool device_check_all(const struct config *config)
{
	bool all_there = true;

	for (unsigned i = 0; i < config->interface_count; i++)
		all_there = check_one(config, i) && all_there;
	return all_there;
}
