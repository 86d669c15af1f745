import ipaddr from 'ipaddr.js';

/**
 * Azure's WireServer: a public address that answers only inside its machines, and hands out their credentials.
 * https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
 */
const AZURE_WIRE_SERVER = '168.63.129.16';

/** Where the IANA gives out global unicast addresses of IPv6; what lies outside only looks like one. RFC 4291, 2.4. */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');

/**
 * What kind of address this is, if it is not a plain public one: `loopback`, `private`, `linkLocal` (the metadata services of
 * most clouds), `carrierGradeNat`, `multicast`, `unspecified` and so on by the IANA's registries. Addresses of IPv6 with one
 * of IPv4 inside (mapped, NAT64, 6to4, Teredo) are special whatever that is, since it is the network that takes them apart.
 * Null for a public address; text that is no address is `invalid`.
 */
export function specialKind(address: string): string | null {
  if (!ipaddr.isValid(address)) return 'invalid';
  const parsed = ipaddr.parse(address);
  const kind = parsed.range();
  if (kind !== 'unicast') return kind;
  if (parsed.kind() === 'ipv6' && !parsed.match(GLOBAL_UNICAST)) return 'reserved';
  return parsed.toString() === AZURE_WIRE_SERVER ? 'metadata' : null;
}
