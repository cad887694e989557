/* Keys: which are taken and where they go. Nothing is encrypted with them. */
#include "simulator.h"

static NTSTATUS check_length(const ADAPTER *adapter, const OVPN_KEY_DIRECTION *key, INT32 cipher) {
  /* [2.3, NEW_KEY] */
  if (key->KeyLen > sizeof(key->Key)) return STATUS_INVALID_DEVICE_REQUEST;
  BOOLEAN aes = cipher == OVPN_CIPHER_ALG_AES_GCM && (key->KeyLen == 16 || key->KeyLen == 24 || key->KeyLen == 32);
  BOOLEAN chacha = cipher == OVPN_CIPHER_ALG_CHACHA20_POLY1305 && key->KeyLen == 32;
  if (cipher == OVPN_CIPHER_ALG_NONE || aes || chacha) return STATUS_SUCCESS;
  /* [measured]: 1 with 2.0.1. Later: what BCrypt says, 87 as a rule [2.3]. */
  return at_least(adapter, 2, 4, 0) ? STATUS_INVALID_PARAMETER : STATUS_INVALID_DEVICE_REQUEST;
}

static NTSTATUS install(ADAPTER *adapter, const OVPN_CRYPTO_DATA *given, UINT32 options) {
  /* [2.3]: in P2P mode the peer id is only what is written on the wire. */
  PEER *peer = adapter->mode == OVPN_MODE_MP ? find_peer(adapter, given->PeerId) : only_peer(adapter);
  if (!peer) return STATUS_OBJECTID_NOT_FOUND;
  if (given->KeySlot != OVPN_KEY_SLOT_PRIMARY && given->KeySlot != OVPN_KEY_SLOT_SECONDARY)
    return STATUS_INVALID_DEVICE_REQUEST;
  SIMULATOR_KEY *key = &peer->keys[given->KeySlot];
  /* [2.3]: the old key goes before the new one is looked at. */
  RtlSecureZeroMemory(key, sizeof(*key));
  if (given->CipherAlg < OVPN_CIPHER_ALG_NONE || given->CipherAlg > OVPN_CIPHER_ALG_CHACHA20_POLY1305)
    return STATUS_INVALID_DEVICE_REQUEST;
  /* [measured]: 1 where the system lacks it. */
  if (given->CipherAlg == OVPN_CIPHER_ALG_CHACHA20_POLY1305 && (adapter->flags & SIMULATOR_NO_CHACHA20))
    return STATUS_INVALID_DEVICE_REQUEST;
  NTSTATUS status = check_length(adapter, &given->Encrypt, given->CipherAlg);
  if (NT_SUCCESS(status)) status = check_length(adapter, &given->Decrypt, given->CipherAlg);
  if (!NT_SUCCESS(status)) return status;
  key->Present = 1;
  key->CipherAlg = given->CipherAlg;
  key->KeyId = given->KeyId;
  key->CryptoOptions = options;
  key->Encrypt = given->Encrypt;
  key->Decrypt = given->Decrypt;
  if (adapter->mode == OVPN_MODE_P2P) peer->id = given->PeerId;
  return STATUS_SUCCESS;
}

NTSTATUS new_key(ADAPTER *adapter, REQUEST *request) { return install(adapter, request->buffer, 0); }

/* [2.3, NEW_KEY_V2]: the bits are kept and shown to tests, and change nothing here. */
NTSTATUS new_key_v2(ADAPTER *adapter, REQUEST *request) {
  const OVPN_CRYPTO_DATA_V2 *given = request->buffer;
  return install(adapter, &given->V1, given->CryptoOptions);
}
