"""Where agents may go: hosts in normal form, classes of addresses, the default-deny list, and data hidden in a target.

Pure like the rest of the policy: nothing here resolves a name or opens a connection. The listener asks `EgressPolicy`
before it resolves, asks again for the very address that it is about to dial, and obeys.
"""
