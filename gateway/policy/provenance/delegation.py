"""Whether a clause hands the task over to a text: "do what her mail says", "as Anouk explained", "apply his changes".

Read by patterns, in the eight languages in which requests are read. Handing over lends the text its orders, so who only
asks to hear what a text says hands over nothing.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_REPORTED: Final = re.compile(
    r"\b(?:tell|show|give|report|summari[sz]e|explain|see|know|find\s+out|check|translate|read)\b(?:\s+\w+){0,2}\s+what\s+"
    r"(?:\w+\s+){1,2}(?:asks?|asked|wants?|needs?|requests?|requested|says?)\b",
    re.IGNORECASE,
)
"""Who wants to hear what a text says does not hand the task over to it."""

_ENGLISH: Final = r"""
    \b(?:do|follow|carry\s+out|execute|complete|perform|implement|work\s+through|go\s+through|act\s+on|take\s+care\s+of
      |finish|tackle|obey|apply|run\s+through|handle|process|fulfil+|deal\s+with|address|comply\s+with|respond\s+to)\b
      .{0,50}(?:\bwhat(?:ever)?\b|\beverything\b|instruction|\bsteps?\b|\btasks?\b|to-?dos?\b|action\s+items?
      |\brequests?\b|checklist|\bguide|procedure|\basks?\b|\basked\b|\bsays?\b|\btells?\b|\bwants?\b|\bneeds?\b
      |chores?|jobs?\s+(?:in|on|from)|tutorial|runbook|playbook|wishes|directions)
    |\b(?:as|like)\s+(?:described|agreed|stated|written|specified|listed|set\s+out|laid\s+down)\s+(?:in|on|by)\b
    |\bfollow\b(?!\s+(?:up|on|@|us|me)\b)
    |\b(?:the\s+way|like|as|how)\b.{0,80}\b(?:says?|describes?|explains?|tells?|recommends?|suggests?)\b
    |\b(?:as|like|the\s+way|how)\b.{0,60}\b(?:explained|decided|described|said|asked|wrote|wants|wanted|suggested
      |requests|requested|told|instructed|noted|agreed|outlined|proposed|proposes|recommended|ordered|set\s+out)\b
    |\b(?:everything|all\s+of\s+it|whatever)\b.{0,30}\b(?:as|like)\s+
      (?:described|requested|instructed|asked|specified|outlined|stated|written|explained|listed|said)
    |\bdo\s+(?:as|like|it\s+as|so\s+as)\b.{0,30}\b(?:says?|asks?|wants?|described|requested|told|written)
    |\bwhat(?:ever)?\s+(?:(?:the|my|our|his|her|their|mr|mrs|ms|dr)\.?\s+)?(?:\w+\s+){1,2}(?:asks?|asked|wants?|wanted
      |needs?|requests?|requested|says?|said|decided|proposes?|proposed|suggests?|suggested|recommends?|listed|agreed
      |ordered)\b
    |\b(?:left|gave|gives|sent|wrote|posted|put)\s+(?:\w+\s+){0,3}(?:instructions?|steps|directions|guidance
      |a\s+(?:to-?do\s+)?list|orders)\b
    |\b(?:instructions?|steps|directions|orders|procedure|runbook|checklist|to-?dos?)\s+(?:are|is|should\s+be)\s+
      (?:all\s+)?(?:in|on|below|there|under|inside|attached|pinned)\b
    |\b(?:says?|said|tells?|told|explains?|explained|writes?|wrote|describes?)\s+(?:\w+\s+){0,2}
      (?:what|whom?|where|which|how)\b.{0,20}\bto\b
    |\b(?:apply|execute|implement|carry\s+out|make|enter|put\s+in|try|roll|honou?r)\s+(?:\w+\s+){0,2}(?:fix|fixes
      |changes?|patch|workaround|edits?|suggestions?|proposals?|recommendations?|decisions?|corrections?|instructions?
      |orders?|wishes|comments?)\b
    |\b(?:according\s+to|in\s+line\s+with)\b
    |\b(?:act\s+on|work\s+(?:through|off)|deal\s+with|take\s+care\s+of|sort\s+(?:out)?|handle|process|tackle)\s+
      (?:it|this|that|them|these|those|all|everything)\b
    """
_GERMAN: Final = r"""
    |\bso\s+wie\s+\w+\s+(?:\w+\s+)?(?:schreibt|sagt|will|möchte|bittet)|wie\s+(?:beschrieben|gewünscht|vereinbart)
    |befolge|folge\s+den|(?:tu|mach|erledige).{0,20}was\s+(?:in|er|sie|die|der)\b
    |\b(?:wie|so\s+wie)\b.{0,60}\b(?:schreibt|geschrieben|sagt|gesagt|will|wollte|möchte|bittet|gebeten|erklärt
      |beschrieben|gewünscht|vereinbart|entschieden|beschlossen|steht|vorgibt|verlangt|besprochen)
    |\bwas\s+(?:\w+\s+){1,3}(?:will|wollte|möchte|sagt|schreibt|braucht|verlangt|vorschlägt|bittet|schrieb|geschrieben)
    |\b(?:nach|gemäß|laut|entsprechend)\s+(?:\w+\s+){0,3}(?:anleitung|anweisung|vorgabe|liste|mail|plan|protokoll|notiz
      |zettel|checkliste|beschluss)
    |\b(?:arbeite|setz\w*|erledige|mach|führe|spiel\w*|roll\w*|bearbeite)\b.{0,60}\b(?:liste|punkte|aufgaben|schritte
      |anleitung|anweisung|änderung|wunsch|wünsche|fix|was)\b
    """
_FRENCH: Final = r"""
    |\b(?:fais|faites|faire|exécute|applique|appliquer|traite|suis|suivre|règle|occupe-toi)\b.{0,40}
      \b(?:ce\s+qu|demande|instructions?|consignes?|étapes?|décisions?|liste|tout\s+ce)
    |\b(?:comme|selon|suivant|d'après|conformément)\b.{0,60}\b(?:demande|demandé|dit|écrit|expliqué|explique|indiqué
      |indique|décidé|prévu|convenu|veut|voulait|souhaite)
    |\bce\s+qu(?:e\s|')\s?\w+(?:\s+\w+){0,2}\s+(?:demande|veut|dit|propose|a\s+(?:demandé|dit|écrit|décidé|proposé))
    """
_SPANISH: Final = r"""
    |\b(?:haz|haga|hacer|sigue|aplica|ejecuta|cumple|tramita|atiende)\b.{0,40}\b(?:lo\s+que|pide|instrucciones|pasos
      |decisi|indicaciones|lista)
    |\b(?:como|según|conforme)\b.{0,60}\b(?:dice|dijo|pide|pidió|explica|explicó|indica|indicó|escribió|quiere|acordado
      |decidi|propone|propuso)
    |\blo\s+que\s+(?:\w+\s+){0,3}(?:pide|pidió|dice|dijo|quiere|propone|escribió|solicita)
    """
_ITALIAN: Final = r"""
    |\b(?:fai|fare|segui|applica|esegui|sbriga|sistema)\b.{0,40}\b(?:quello\s+che|ciò\s+che|istruzioni|passi|decisioni
      |indicazioni|richieste|lista)
    |\b(?:come|secondo)\b.{0,60}\b(?:dice|detto|chiede|chiesto|spiega|spiegato|scritto|scrive|vuole|indicato|deciso
      |concordato|propone)
    |\b(?:quello|ciò)\s+che\s+(?:\w+\s+){0,3}(?:chiede|chiesto|dice|vuole|scrive|propone)
    """
_PORTUGUESE: Final = r"""
    |\b(?:faz|faça|fazer|segue|siga|aplica|aplique|executa|trata|cumpre)\b.{0,40}\b(?:o\s+que|pede|instruções|passos
      |decis|indicações|pedidos|lista)
    |\b(?:como|conforme|segundo)\b.{0,60}\b(?:diz|disse|pede|pediu|explica|explicou|escreveu|quer|combinado|decidi
      |propõe|indicou)
    |\bo\s+que\s+(?:\w+\s+){0,3}(?:pede|pediu|diz|disse|quer|propõe|escreveu)
    """
_DUTCH: Final = r"""
    |\b(?:doe|volg|voer|handel|regel|verwerk|pas)\b.{0,50}\b(?:wat|zoals|instructies|stappen|besluit|verzoek|lijst
      |vraagt)
    |\b(?:zoals|volgens)\b.{0,60}\b(?:vraagt|vroeg|gevraagd|zegt|zei|schrijft|schreef|uitgelegd|besloten|beslist|wil
      |wilde|afgesproken|staat)
    |\bwat\s+(?:\w+\s+){1,3}(?:vraagt|vroeg|wil|zegt|schrijft|schreef)
    """
_CHINESE: Final = r"""
    |(?:按照|按|依照|照着|根据|遵照).{0,30}(?:说的|要求|步骤|说明|指示|里的|中的).{0,4}(?:来|做|处理|操作|办|$)
    |(?:执行|完成|处理|照做|落实).{0,20}(?:里|中)?的?(?:任务|待办|步骤|要求|指示|事项)
    |按.{0,20}(?:说|写|要求|办|来|做|步骤|意思)|照.{0,12}(?:做|办|说)|根据.{0,20}(?:要求|说明|意见|指示)
    """
_DELEGATES: Final = re.compile(
    f"{_ENGLISH}{_GERMAN}{_FRENCH}{_SPANISH}{_ITALIAN}{_PORTUGUESE}{_DUTCH}{_CHINESE}", re.IGNORECASE | re.VERBOSE
)


@lru_cache(maxsize=4096)
def delegates(clause: str) -> bool:
    return _DELEGATES.search(_REPORTED.sub(" ", clause)) is not None
