"""Whether all the names that one request gives for its destination are the same.

A client that connects to one name, asks TLS for another and HTTP for a third is led past a list that looks at one of
them only (domain fronting), by intent or by a fault. Names are compared in normal form.
"""

from __future__ import annotations

from gateway.errors import Malformed
from gateway.policy.egress.entry import Scheme
from gateway.policy.egress.host import Authority, Host, authority, parse_host

_PORTS = {Scheme.HTTP: 80, Scheme.HTTPS: 443}
"""What a Host field without a port means (RFC 9110, sections 4.2.1 and 4.2.2)."""


def disagreement(
    target: Authority, scheme: Scheme, *, sni: str | None = None, host_field: str | None = None
) -> str | None:
    """Why the names do not agree, or None if they do.

    `target` is what was asked for: by CONNECT, or in an absolute-form request line, with its port. `sni` is the server
    name of the ClientHello and `host_field` the Host field of a request; None where there was none, which says nothing
    against the target. What cannot be read does not agree.
    """
    if sni is not None and (fault := _sni_fault(target.host, sni)) is not None:
        return fault
    if host_field is not None:
        return _field_fault(target, scheme, host_field)
    return None


def _sni_fault(host: Host, sni: str) -> str | None:
    try:
        named = parse_host(sni)
    except Malformed as error:
        return f"the server name of TLS cannot be read: {error}"
    # RFC 6066, section 3, allows no address as a server name; clients that send one all the same mean the target.
    return None if named == host else f"the server name of TLS is `{named}`, and the target is `{host}`"


def _field_fault(target: Authority, scheme: Scheme, field: str) -> str | None:
    try:
        named = authority(field)
    except Malformed as error:
        return f"the Host field cannot be read: {error}"
    if named.host != target.host:
        return f"the Host field names `{named.host}`, and the target is `{target.host}`"
    if (named.port or _PORTS[scheme]) != (target.port or _PORTS[scheme]):
        return f"the Host field names port {named.port or _PORTS[scheme]}, and the target has another"
    return None
