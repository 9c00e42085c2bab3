"""Play people: drive the services as founders, investors, auditors and operators would."""
