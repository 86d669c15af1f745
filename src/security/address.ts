import ipaddr from 'ipaddr.js';

/**
 * The kind of an IP address that is not public, or null for a public one. The kinds are ipaddr.js's names of the IANA's special ranges
 * (`loopback`, `private`, `carrierGradeNat`, `linkLocal`, where most clouds have their metadata service, and so on), `metadata` for
 * Azure's WireServer, and `invalid` for text that is no address.
 *
 * An IPv6 address that embeds an IPv4 one (mapped, NAT64, 6to4, Teredo) is never public, whatever the embedded address: the network
 * decides where it leads.
 */
export function specialKind(address: string): string | null {
  if (!ipaddr.isValid(address)) return 'invalid';
  const parsed = ipaddr.parse(address);
  const kind = parsed.range();
  if (kind !== 'unicast') return kind;
  if (parsed.kind() === 'ipv6' && !parsed.match(GLOBAL_UNICAST)) return 'reserved';
  return parsed.toString() === AZURE_WIRE_SERVER ? 'metadata' : null;
}

/** The only IPv6 block from which the IANA assigns global unicast addresses. RFC 4291, 2.4. */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');

/**
 * Azure's WireServer: a public address that answers only virtual machines in Azure and gives them credentials.
 * https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
 */
const AZURE_WIRE_SERVER = '168.63.129.16';
