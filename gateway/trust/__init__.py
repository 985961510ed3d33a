"""What makes an agent trust the gateway: a certificate authority of its own, leaves by host name, and what to export.

`name` has the names that may be signed, `authority` the authority as a value, `folder` its files, `leaf` the
certificates it signs, `bundle` what an agent is to trust, `variables` the environment that tells it so.
"""
