# Writes data-v2.json: DATA_V2 packets made independently of node:crypto and of src/userspace.
import json,struct
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
def seq(a,n): return bytes((a+i)&255 for i in range(n))
ip4=bytes.fromhex("4500001c000100004001" "66db" "0a0800020a080001" "0800f7fe00010000")
ping=bytes.fromhex("2a187bf3641eb4cb07ed2d0a981fc748")
out=[]
cases=[("aes-128-gcm",16),("aes-192-gcm",24),("aes-256-gcm",32),("chacha20-poly1305",32)]
for n,(c,l) in enumerate(cases):
  for kid,peer,pid,pl in [(0,1,1,ip4),(7,0xfffffe,0xffffffff,ping),(n,0x123456,0x01020304,seq(0,1400)),(3,0,2,b"")]:
    key=seq(0x10*n+1,l); tail=seq(0x80+n,8)
    aad=struct.pack(">I",(9<<27|kid<<24|peer))+struct.pack(">I",pid)
    nonce=aad[4:]+tail
    a=(ChaCha20Poly1305 if c.startswith("ch") else AESGCM)(key)
    ct=a.encrypt(nonce,pl,aad)
    pkt=aad+ct[-16:]+ct[:-16]
    out.append(dict(cipher=c,key=key.hex(),nonceTail=tail.hex(),keyId=kid,peerId=peer,packetId=pid,payload=pl.hex(),packet=pkt.hex()))
doc={"how":"Made by test/vectors/data-v2.py with the Python package cryptography, which puts the tag behind the ciphertext; the script puts it in front, as DATA_V2 has it. The inner packets are an ICMP echo request, OpenVPN's ping, 1400 counting bytes, and nothing.","vectors":out}
json.dump(doc,open("test/vectors/data-v2.json","w"),indent=1); open("test/vectors/data-v2.json","a").write("\n")
