"""Letters of other alphabets that are drawn like Latin ones, mapped to what a reader sees.

A modest choice from Unicode Technical Standard 39 (confusables.txt), for text that is already case-folded: Cyrillic,
Greek, Armenian, small capitals, enclosed and regional-indicator letters, and quotes and dashes. Full-width, script and
mathematical letters need no entry, normal form KC makes them Latin.
"""

from __future__ import annotations

from typing import Final

_DRAWN_ALIKE: Final = (
    ("авекмнорстухѕіјԁһԛԝүґӏ", "abekmhopctyxsijdhqwyrl"),  # Cyrillic
    ("αβγεζηικμνορτυχω", "abyeznikmvoptuxw"),  # Greek
    ("օսոհցգԁ", "ounhgqd"),  # Armenian
    ("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnoprstuvwyz"),  # small capitals
    ("ıɑɡɩłøđħŧʋ", "iagilodhtv"),  # Latin letters without a decomposition
    ("‘’‚‛“”„‟′″«»‹›", "''''\"\"\"\"'\"\"\"''"),  # quotes
    ("‐‑‒–—―−", "-------"),  # dashes
)

CONFUSABLES: Final[dict[str, str]] = {
    seen: meant for row, drawn in _DRAWN_ALIKE for seen, meant in zip(row, drawn, strict=True)
}
CONFUSABLES.update({"æ": "ae", "œ": "oe"})
for _first in (0x1F150, 0x1F170, 0x1F1E6):  # negative circled, negative squared, regional indicators: A to Z each
    CONFUSABLES.update({chr(_first + index): chr(0x61 + index) for index in range(26)})
