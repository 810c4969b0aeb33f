"""Certificate to subject to role; TLS contexts; trust and revocation."""
