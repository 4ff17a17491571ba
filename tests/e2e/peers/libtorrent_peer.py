"""A peer on libtorrent: `libtorrent_peer.py ADDRESS SOURCE DIRECTORY [PEER]`.

SOURCE is a .torrent or a magnet link; PEER, host:port, is connected to without a tracker. Prints `ready`, then
`complete SECONDS` once every piece is there, and goes on giving until it is ended.
"""

import sys
import time

import libtorrent

address, source, directory = sys.argv[1:4]
peer = sys.argv[4] if len(sys.argv) > 4 else None

session = libtorrent.session({
    "listen_interfaces": f"{address}:0",
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "allow_multiple_connections_per_ip": True,
    # TCP in clear: what is tested is the protocol, not one of its envelopes.
    "enable_outgoing_utp": False,
    "enable_incoming_utp": False,
    "out_enc_policy": 2,
    "in_enc_policy": 2,
    "alert_mask": libtorrent.alert.category_t.error_notification,
})
if source.startswith("magnet:"):
    parameters = libtorrent.parse_magnet_uri(source)
else:
    parameters = libtorrent.add_torrent_params()
    parameters.ti = libtorrent.torrent_info(source)
parameters.save_path = directory
torrent = session.add_torrent(parameters)
began = time.monotonic()
print(f"ready {session.listen_port()}", flush=True)
if peer:
    host, port = peer.rsplit(":", 1)
    torrent.connect_peer((host, int(port)))
told = False
while True:
    for alert in session.pop_alerts():
        print(f"alert {alert.message()}", file=sys.stderr, flush=True)
    if not told and torrent.status().is_seeding:
        told = True
        print(f"complete {time.monotonic() - began:.3f}", flush=True)
    time.sleep(0.02)
