-- Who was erased can be tried out with the key at hand: those who only read do not need it.

REVOKE SELECT ON erasure_key, erased_users FROM globalmart_reader;
