"""How a sentence of untrusted text speaks: it states, it tells somebody to act, or it commands the model.

Data states. Who wants an agent to act must say so, in one of few ways: the imperative, a request, a duty, a wish; and
who wants it of an agent that works for somebody else mostly addresses it, or sets its orders aside. Letters and tickets
tell people to act as well, so that a sentence tells is no offence: it only counts together with what the call does.
"""

from __future__ import annotations

import re
from enum import IntEnum
from functools import lru_cache
from typing import Final

from gateway.policy.provenance.lexicon import VERBS, listed


class Mood(IntEnum):
    """Ordered by how much a sentence wants to be obeyed."""

    STATES = 0
    TELLS = 1
    COMMANDS = 2  # the model, not its reader


_REQUEST: Final = re.compile(
    r"""
    \bplease\b(?!\s+(?:find|note\s+that|see\s+attached|be\s+advised|do\s+not\s+reply))|\bpls\b|\bplz\b|\bkindly\b
    |\b(?:can|could|would|will|won't|may)\s+(?:you|u|someone|somebody|we)\b
    |\byou(?:'ll|\s+will|\s+shall)?\s+(?:must|should|shall|need|have\s+to|has\s+to|ought|may\s+want|are\s+(?:required|expected|asked|to|instructed|requested)|want\s+to|can\s+now)\b
    |\b(?:need|needs|want|wants|ask|asks|asked|like|expect|instruct|instructed|request|authori[sz]ed?|tell|get|have|remind)\s+(?:you|u|him|her|them|someone|it|that|to\s+(?:have|get))\b
    |\b(?:must|shall|should|needs?\s+to|has\s+to|have\s+to|ought\s+to|are\s+to|is\s+to)\s+(?:\w+ly\s+|now\s+|also\s+|first\s+)*[a-z]{2,}
    |\b(?:make\s+sure|be\s+sure|ensure|remember\s+to|don'?t\s+forget|do\s+not\s+forget|feel\s+free|go\s+ahead|it\s+is\s+(?:necessary|required|important|imperative|essential|crucial|critical|vital))\b
    |\b(?:required|action\s+(?:required|needed|item)|next\s+step|todo|to-do|to\s+do:|your\s+task|urgent(?:ly)?|immediately|asap|right\s+away|as\s+soon\s+as\s+possible)\b
    |\b(?:i|we)(?:'d|\s+would)?\s+(?:need|want|like|love|appreciate|require|urge|ask|request|recommend|suggest|advise)\b
    |\b(?:let's|let\s+us|why\s+not|how\s+about|would\s+be\s+(?:great|good|helpful|nice)|i'm\s+asking)\b
    |\bdo\s+(?:what|whatever|as|everything)\b
    |\bin\s+order\s+to\s+(?:complete|proceed|continue|finish|verify|process|access|unlock|receive|avoid)\b
    |^\W*to\s+(?:complete|proceed|continue|finish|verify|process|access|unlock|receive|avoid|confirm|activate|restore|keep)\b
    |\b(?:bitte|musst|müssen|muss|sollst|sollen|soll|sollte|können\s+sie|kannst\s+du|würden\s+sie|unbedingt|umgehend|sofort)\b
    |请|麻烦|务必|必须|需要[你您]|需将|需把|应该|应当|应将|帮我|帮忙|立即|立刻|马上|尽快|记得|一定要|不要忘|别忘|烦请|劳驾|希望你|要求你|[你您](?:要|得|应|需)
    |[把将].{1,30}(?:发|转|删|移|改|分享|共享|付|汇|传|设|加|授)
    """,
    re.IGNORECASE | re.VERBOSE,
)

_COMMAND: Final = re.compile(
    r"""
    \b(?:ignore|disregard|forget|override|bypass|skip)\b.{0,40}\b(?:instruction|prompt|previous|prior|above|earlier|rules?|guideline|policy|policies|task|request|confirmation|approval|restriction)
    |\b(?:ai|llm|gpt|claude|gemini|chatgpt|copilot|language\s+model|assistants?|agents?|chatbots?|bots?|the\s+model|automation)\b[^.!?]{0,50}\b(?:must|should|shall|needs?|ha(?:s|ve)\s+to|is\s+to|are\s+to|required|please|ensure|process|reading|handling|instructions?|summari[sz]ing|only)\b
    |\b(?:ai|llm|gpt|claude|gemini|chatgpt|copilot|assistants?|agents?|chatbots?|bots?|model)\s*[:,—–-]+\s*[a-z]
    |\b(?:note|message|instructions?|attention|notice|memo)\s+(?:to|for)\s+(?:the\s+|any\s+|all\s+)*(?:ai|llm|assistants?|agents?|bots?|model|copilot|automat)
    |[<\[({*#]\s{0,3}/?\s{0,3}(?:system|important|information|instructions?|admin|assistant|inst|sys|override|urgent)\b[^\n]{0,20}[>\])}*:]
    |\bsystem\s+(?:message|note|prompt|notice|override|update|instructions?|alert|directive|command)\b
    |\b(?:the|your)\s+(?:current\s+)?(?:user|owner|principal|account\s+holder|customer)\s+(?:also\s+)?(?:wants?|has\s+(?:asked|authori[sz]ed|approved|requested|confirmed|already)|authori[sz]ed|approved|needs|asked|requires|requested|would\s+like|pre-?authori[sz]ed)\b
    |\bbefore\s+(?:you\s+)?(?:answer|respond|reply|complet|proceed|continu|summari|finish|solv|help|do|can)\w*
    |\bafter\s+(?:you\s+)?(?:summari|answer|complet|reading|finish)\w*
    |\bwithout\s+(?:asking|telling|informing|notifying|mentioning|confirm\w*|confirmation|further|prompting|alerting|the\s+user|waiting|approval)\b
    |\b(?:do\s+not|don'?t|never|no\s+need\s+to|need\s+not)\s+(?:tell|mention|inform|ask|alert|notify|disclose|show|reveal|report|wait|bother|confirm)\b
    |\b(?:no|without\s+any)\s+(?:further\s+)?(?:confirmation|approval)\s+(?:is\s+)?(?:needed|required|necessary)\b
    |\b(?:silently|covertly|discreetly|secretly|quietly|unnoticed|undetected)\b
    |\byour\s+(?:new\s+)?(?:instructions?|task|goal|objective|priority|role)\s+(?:is|are|has|have)\b
    |\b(?:use|call|invoke|run)\s+(?:the\s+)?[`'"]?[a-z]+(?:_[a-z]+)+[`'"]?
    |\b(?:use|call|invoke)\s+(?:the\s+)?\S+\s+(?:tool|function)\b|\b(?:use|call|invoke)\s+(?:the\s+)?tool\b
    |忽略.{0,8}(?:之前|以上|先前|上述|指令|规则)|(?:AI|人工智能|智能体|助手|助理|机器人|大模型|模型)[^。！？]{0,6}(?:请|必须|需|应|：|:|，|在处理|读到|看到)
    |系统(?:提示|消息|通知|指令|要求)|用户(?:已|已经|要求|授权|希望|同意|需要)|(?:不要|无需|不必|勿|别)(?:告诉|告知|通知|提及|询问|确认|向用户|再)
    |(?:ignoriere|vergiss|missachte).{0,30}(?:anweisung|vorherig|regeln)|(?:ki|assistent|agent)\s*[:,]
    """,
    re.IGNORECASE | re.VERBOSE,
)

_REDIRECT: Final = re.compile(
    r"""
    \b(?:bank|account|payment|wire|billing|iban|remittance|deposit|payout|banking|wallet|address|email|e-mail|contact)\b[^.!?\n]{0,40}\b(?:ha(?:s|ve)\s+(?:been\s+)?(?:changed|moved|updated)|changed|is\s+now|are\s+now|will\s+be\s+replaced|no\s+longer)\b
    |\b(?:new|updated|changed|revised|corrected|alternate|alternative)\s+(?:bank|account|payment|iban|wire|billing|remittance|payout|banking|wallet)\b
    |\binstead\s+of\b|\binstead\b|\bno\s+longer\s+(?:use|valid|active|monitored|in\s+use)\b|\bold\s+(?:account|iban|address)\b
    |(?:账户|账号|收款|银行|卡号|邮箱|地址)[^。！？]{0,10}(?:已变更|已更改|变更为|改为|更换|已更新|已更换)|新(?:的)?(?:账户|账号|收款|卡号)|改[用付转汇]
    |(?:bankverbindung|kontonummer|konto)[^.!?\n]{0,40}(?:geändert|neu)|neue\s+(?:bankverbindung|iban|kontonummer)
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""Words by which a payment or a letter is led elsewhere than it went before: fraud by changed bank details works so
(FBI, business e-mail compromise). Whom it concerns wants to be asked."""

_INVITES: Final = re.compile(
    r"\b(?:contact|reach|call|e-?mail|write(?:\s+to)?|text|message|visit|phone|drop|ring|find|follow)\s+(?:out\s+)?(?:to\s+)?(?:us|me|our|my|him|her|them)\b[^.!?\n]{0,40}\b(?:at|on|via|by|under|through|:)",
    re.IGNORECASE,
)
"""An address that its owner gives for being reached is stated, though the sentence has the form of a request."""

_START: Final = re.compile(
    r"(?:^|[,:;–—>\])*\"'“]\s*|\band\s+then\s+|\bthen\s+|\balso\s+|\bnow\s+|\bfirst\s+|\binstead\s+|^\s*(?:\d+[.)]|[-*•])\s*)"
    r"(?:\s*(?:and|so|then|also|now|next|finally|first|kindly|just|simply|immediately|quickly|instead|hey|hi|ok|okay|well|additionally|furthermore|afterwards|important|urgent|note|do|ps|p\.s\.?|nb|btw|by\s+the\s+way)\b[\s,:!-]*)*"
    r"([A-Za-zäöüÄÖÜ'-]{2,20})\b(?![\"']?\s*[:=])",
    re.IGNORECASE,
)
_JOINED: Final = re.compile(
    r"^(?!\W*(?:i|we|they|he|she|it|you|the|this|our|your|a|an|there|these|those|my|who|which)\b).*?\band\s+"
    r"([a-z'-]{2,20})\s+(?:the|it|them|this|that|all|my|your|a|an|these|those|me|us|him|her|any|every|to)\b",
    re.IGNORECASE | re.DOTALL,
)
"""A second order behind a first that no table has, misspelt for instance: "Retrive the list and mail it"."""

_BASES: Final = frozenset(word for words in VERBS.values() for word in words.split()) | listed("""
    go take give use keep have load pull reach hold set put get let bring collect gather capture obtain acquire exfil
    copy paste click press type select choose
    confirm verify proceed continue ensure include attach provide supply pass hand feed dump print encode compress zip
    follow ignore disregard scroll sign log request ask initiate conduct facilitate prepare develop monitor access
    adjust
    redirect inject encrypt decrypt block intercept alter falsify fabricate introduce harvest secure elevate shut wait
    finish stay visit join switch connect escalate approve accept make see
    """)
_NOT_BASES: Final = listed("payment withdrawal appointment summary close")


_LETTERS: Final = re.compile(r"[a-z]+")
_COMMAND_WORDS: Final = listed("""
    ignore disregard forget override bypass skip ai llm llms gpt claude gemini chatgpt copilot model models assistant
    assistants agent agents chatbot chatbots bot bots automation automated system important information instruction
    instructions admin inst sys urgent user owner principal holder customer before after without not don never no
    silently
    ignoriere vergiss missachte ki assistent
    covertly discreetly secretly quietly unnoticed undetected your use call invoke run pre preauthorized
    """)
_REQUEST_WORDS: Final = listed("""
    please pls plz kindly can could would will won may you need needs want wants ask asks asked like expect instruct
    instructed request authorise authorize authorised authorized tell get have remind must shall should has ought are is
    make be sure ensure remember forget feel go necessary required action next todo to your urgent urgently immediately
    asap right soon i we let why how great good helpful nice asking in bitte musst muss sollst sollen soll sollte kannst
    unbedingt umgehend sofort do it
    """)
"""One of these is in every sentence of English that the patterns of orders and requests match; sentences without any
are passed by, since most of a conversation is."""


@lru_cache(maxsize=16384)
def mood(sentence: str) -> Mood:
    """How one sentence, or a few that belong together, speak."""
    plain = sentence.isascii()
    words = frozenset(_LETTERS.findall(sentence.lower()))
    if not (plain and words.isdisjoint(_COMMAND_WORDS)) and _COMMAND.search(sentence):
        return Mood.COMMANDS
    if not plain or not words.isdisjoint(_REQUEST_WORDS) or not words.isdisjoint(_BASES):
        return _asks(sentence)
    return Mood.STATES


def _asks(sentence: str) -> Mood:
    if _INVITES.search(sentence):
        return Mood.STATES
    if _REQUEST.search(sentence) or any(_is_base(found[1]) for found in _START.finditer(sentence)):
        return Mood.TELLS
    joined = _JOINED.match(sentence)
    if joined and _is_base(joined[1]):
        return Mood.TELLS
    return Mood.STATES


def _is_base(word: str) -> bool:
    low = word.casefold()
    return low in _BASES and low not in _NOT_BASES


@lru_cache(maxsize=4096)
def redirects(sentence: str) -> bool:
    """Whether it leads a payment or a letter elsewhere than it went before."""
    return bool(_REDIRECT.search(sentence))
