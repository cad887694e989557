/**
 * Which cases of the suite are none for the driver of Windows or for its simulator, and why: each by its name, so that
 * nothing else is left out.
 */

/** What p2p mode has in another way than the suite takes for granted. */
export const P2P_EXCEPTIONS: ReadonlyMap<string, string> = byName({
  "p2p transports do not know their local address: a packet of theirs tells it": [
    "control packets: go to a peer, to an address, or to the transport's remote",
    "control packets: are all that packets() gives: never data packets, with peers, without, and after the last was removed",
  ],
  "a p2p transport reaches only its remote": [
    "peers: an id in use is exists, and so is a second peer in p2p mode; the first goes on",
  ],
});

/** What the suite takes for granted and this driver has in another way; docs/windows.md says how. */
export const DRIVER_EXCEPTIONS: ReadonlyMap<string, string> = byName({
  "an adapter keeps the name that Windows gave it": [
    "driver: interfaces without a name are numbered by themselves, also when created at the same time",
  ],
  "adapters have no mode until they are opened, and tell the link of their network card": [
    "driver: listInterfaces tells mode, MTU, state and owner",
  ],
  "one has to say the mode to open an adapter, and two cannot have it open": [
    "driver: closing the driver closes its interfaces and transports, and deletes what it created",
    "adopt: an adopting owner finds mode, peers and keys, and the traffic goes on",
    "adopt: adopting with peers flush removes them",
    "events: a peer that somebody else removes gives one peer-deleted, external; to him it is requested",
    "events: a burst of 1,000 removals by somebody else is delivered whole",
    "refusals: a peer that somebody else removed is not-found, for every verb, also before its event came",
  ],
  "the driver's largest MTU and control packet are 1500 bytes": [
    "configure: a tunnel carries packets as large as its MTU",
    "control packets: of all sizes arrive whole, up to the largest that the capabilities tell",
  ],
  "the link comes with the transport": [
    "configure: linkUp resolves at once in multipeer mode when the interface is up",
    "events: in multipeer mode the link is told up and down with the interface, whoever does it, once each",
  ],
  "the sites are on loopback, which is not bypassed": [
    "configure: bypass keeps the way to the server outside the tunnel, or is unsupported",
  ],
  "adapters are there before an interface and after it, and no more than there are": [
    "races: two drivers that create interfaces at the same time do not get in each other's way",
    "lifetimes: createInterface that is aborted under way leaves no interface",
    "lifetimes: closing the driver rejects what is in flight with closed, and leaves no interface of it",
    "lifetimes: a signal that has fired before the call means no effect, for every verb",
    "driver: close deletes the interface that was created",
  ],
  "a transport closes only with its interface": [
    "races: peers that are added while their transport closes do not outlive it",
  ],
  "the driver takes no two peers with one address": [
    "keys: the same key is refused for its direction in the life of the interface, for any peer and slot",
  ],
});

/** Both. */
export const EXCEPTIONS: ReadonlyMap<string, string> = new Map([...DRIVER_EXCEPTIONS, ...P2P_EXCEPTIONS]);

/** What is not run on the simulator besides: it has no network card, and what Wine has of IP Helper depends on its version. */
export const WITHOUT_CARD: ReadonlyMap<string, string> = byName({
  "waits for a real Windows machine: addresses and routes": [
    "peers: prefixes behind a client are reached by a route via its VPN address",
    "routes: bypass for an address that only the tunnel leads to is refused, without effect",
    "peers: routes of a peer come and go with it, or are unsupported",
    "routes: what is behind a peer is reached through it, IPv4 and IPv6",
    "routes: another peer's VPN address as a prefix is exists, and so is a VPN address that is behind another peer",
    "routes: a prefix is behind one peer at a time, and free again when that peer has ended, whoever ended it",
    "endurance: 200 rounds of opening and closing leave no descriptor, thread or interface",
    "configure: the interface has exactly the addresses that were given, IPv4 and IPv6",
    "configure: MTU and up are applied, and what is left out stays as it is",
    "configure: the limits of the MTU in capabilities are the kernel's",
    "configure: routes are added, replaced and removed, with next hop and metric, IPv4 and IPv6",
    "configure: routes that vanish with the link come back with it, whoever lowers and raises it",
    "bad input: an MTU that IPv6 does not take is invalid also when the address is there already, and the reverse",
  ],
  "waits for a real Windows machine: packets in the tunnel": [
    "peer settings: keepalive of both ends keeps an idle tunnel alive",
  ],
});

/**
 * Cases that are run on the simulator as far as they go, and where each stops: at what the world says it has not, or at
 * what the driver's capabilities refuse.
 */
export const STOPS: ReadonlyMap<string, string> = byName({
  "Windows names adapters itself": [
    "driver: an interface is created with the name and the mode that were asked for",
    "driver: a name that is taken is refused with exists, whatever kind of interface has it",
    "adopt: onExisting adopt takes over the interface, and close leaves it",
    "adopt: onExisting adopt and replace create the interface if there is none",
    "adopt: onExisting adopt of an interface in the other mode is invalid",
    "adopt: onExisting replace puts a new interface in the place of the old one, whose owner is told",
  ],
  "waits for a real Windows machine: adapters that somebody else makes": [
    "driver: listInterfaces tells interfaces of others without an owner, and nothing of other kinds",
    "driver: deleteInterface deletes an interface that somebody else made",
    "driver: cleanUp leaves interfaces of living processes and of others alone",
    "adopt: deleteOnClose deletes an adopted interface too",
  ],
  "waits for a real Windows machine: adapters of other kinds": [
    "driver: deleteInterface of no interface is not-found, and of another kind invalid",
    "adopt: an interface of another kind is neither adopted nor replaced",
  ],
  "waits for a real Windows machine: addresses and routes": [
    "configure: routes that others made are left alone",
    "routes: a full tunnel: all traffic goes in, but for the way to the server; closing takes everything back",
  ],
  "waits for a real Windows machine: a link of the system's": [
    "configure: a route that was deleted by somebody else is no obstacle",
    "routes: a peer whose route cannot be set is not added",
    "races: an interface that goes down and up again has its peers, and they work",
  ],
  "openTransport: this driver's transports need their remote address (capability: anyRemote)": [
    "transports: a transport tells protocol, local address and remote, also where any address or port was asked for",
    "transports: a local address that is in use is busy, and free after close",
    "transports: a dual-stack transport carries IPv4 and IPv6 peers, and tells IPv4 addresses as such",
    "transports: an IPv6 transport that is not dual-stack leaves the port free for IPv4",
    "transports: a transport that is bound to one of the host's IPv4 addresses sends everything from that one",
    "transports: a transport that is bound to one of the host's IPv6 addresses sends everything from that one",
    "transports: a transport that is closed, or another interface's, takes no peer",
    "peers: replace in p2p mode removes whatever peer is there, also one with another id",
    "races: a second peer in p2p mode is exists also where somebody else has added the first",
    "lifetimes: close may be called again, at the same time and afterwards, on every level",
    "lifetimes: asyncDispose closes, on every level",
  ],
  "waits for a real Windows machine: packets in the tunnel": [
    "peers: the lowest and the highest id work, with traffic",
    "transports: a peer without a remote is where the transport's remote is",
    "peers: three clients of a multipeer server reach it and are reached, IPv4 and IPv6 inside",
    "peers: an inner source address that is not the peer's is dropped, where the capabilities say so",
    "keys: aes-128-gcm carries IPv4 and IPv6 both ways, outside over IPv4",
    "keys: aes-128-gcm carries IPv4 and IPv6 both ways, outside over IPv6",
    "keys: aes-192-gcm carries IPv4 and IPv6 both ways, outside over IPv4",
    "keys: aes-192-gcm carries IPv4 and IPv6 both ways, outside over IPv6",
    "keys: aes-256-gcm carries IPv4 and IPv6 both ways, outside over IPv4",
    "keys: aes-256-gcm carries IPv4 and IPv6 both ways, outside over IPv6",
    "keys: without a key, and with another key than the other end's, nothing gets through",
    "keys: the same key with another nonce tail gets nothing through",
    "keys: a key in an occupied slot replaces the one that was there",
    "keys: the primary encrypts, and both slots decrypt",
    "keys: swapKeysOf exchanges the keys of many peers, and each settles by itself",
    "keys: swap with an empty secondary is not-found, and the tunnel works on",
    "keys: wipe zeroes the caller's bytes, whether the key was taken or refused; without it they stay",
    "rotation: twelve turns of KeySchedule at both ends, under traffic both ways, lose not one packet",
    "rotation: ten keys in turn, under traffic both ways, lose not one packet",
    "rotation: a rotation of one peer's key does not disturb another peer's traffic",
    "statistics: of the tunnel move by exactly the packets and bytes that went through, at both ends",
    "statistics: of the link count OpenVPN packets: the tunnel's with what encapsulation adds, without control packets",
    "statistics: start at zero, are bigint, and belong to the peer's generation",
    "statistics: tell the peers of a server apart",
    "statistics: count what could not be decrypted in the link only",
    "float: a stranger does not move a peer with packets that he cannot authenticate",
  ],
  "close: here a transport closes only with its interface (capability: closeTransport)": [
    "transports: closing a transport leaves the interface usable: a new transport takes its place",
    "peers: in bulk: hundreds of peers are added, keyed, swapped, told and removed, each with one end",
    "events: closing a transport gives each of its peers one peer-deleted, transport-closed",
    "endurance: 200 rounds of transports and peers on one interface leave nothing of the earlier ones",
  ],
  "waits for a real Windows machine: forwarding": [
    "peers: clients reach each other through the server's host, if it forwards",
  ],
  "addPeer: replacing a peer needs a new transport here (capability: replacePeer)": [
    "peers: replace puts a new peer in the place of the old: no key is left, the generation grows",
  ],
  "waits for a real Windows machine: adapters that somebody else removes": [
    "events: an interface that somebody else deletes ends its peers, is told, and closes by itself",
  ],
});

function byName(names: Readonly<Record<string, readonly string[]>>): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(names).flatMap(([why, all]) => all.map((name): [string, string] => [name, why])),
  );
}
