"""The signer side: policy, approval, the CA, and its database."""
