"""The ways to write one address that some resolver, library or browser takes for it."""

from __future__ import annotations

from ipaddress import IPv4Address

FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")


def ipv4_spellings(address: IPv4Address) -> list[str]:
    """Decimal, octal, hexadecimal, mixed, one to four parts, full width, escaped, with a dot, mapped into IPv6."""
    value = int(address)
    first, second, third, fourth = address.packed
    dotted = str(address)
    return [
        dotted,
        f"{dotted}.",
        str(value),
        hex(value),
        f"0X{value:08X}",
        f"0{value:o}",
        f"{first}.{value & 0xFFFFFF}",
        f"{first}.{second}.{value & 0xFFFF}",
        ".".join(hex(part) for part in address.packed),
        ".".join(f"0{part:o}" for part in address.packed),
        f"0x{first:x}.0{second:o}.{third}.0x{fourth:04x}",
        f"{first:#x}.{value & 0xFFFFFF:#o}".replace("0o", "0"),
        dotted.translate(FULL_WIDTH),
        dotted.replace(".", "。"),
        dotted.replace(".", "．").translate(FULL_WIDTH),
        "".join(f"%{ord(letter):02x}" for letter in dotted),
        f"[::ffff:{dotted}]",
        f"[::ffff:{value >> 16:x}:{value & 0xFFFF:x}]",
        f"[0:0:0:0:0:FFFF:{value >> 16:04X}:{value & 0xFFFF:04X}]",
    ]
