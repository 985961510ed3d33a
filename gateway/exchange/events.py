"""What an exchange is told, and what it asks for. All values are frozen; none of them does anything.

The shell that owns the sockets feeds events to `Exchange.receive` and carries out the commands it returns, in order.

    event            when                                          commands that may follow
    RequestStarted   the request's head is read                    Consult, ReadBody, Respond
    LimitsTaken      the store answered a Consult                  ReadBody, StartUpstream, Consult, Respond
    RequestData      a piece of the request body came              SendUpstream, StartUpstream, Consult, Respond
    RequestBroken    the rest of the request body is missing       Respond, EndAnswer, DropUpstream
    AnswerStarted    the upstream's head came                      BeginAnswer
    AnswerData       a piece of the answer came                    BeginAnswer, SendAnswer, EndAnswer, Respond, Ask
    Answered         somebody answered an Ask                      as what the calls were part of
    Recalled         a Recall was answered                         as a whole request body
    UpstreamFailed   no connection, a time-out, a broken answer    Respond, SendAnswer, EndAnswer
    DialDenied       the upstream's address may not be dialled     Respond
    Overdue          the time of a StartClock is over              Respond, SendAnswer, EndAnswer, DropUpstream
    ClientGone       the client closed                             DropUpstream
    Stopped          an operator stopped what it is part of        Respond, SendAnswer, EndAnswer, DropUpstream
    Failed           the shell itself failed                       Respond, EndAnswer, DropUpstream

Every exchange ends with exactly one `Finish`, which carries the record.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from gateway.dialect.apart import Ear, Expected
from gateway.dialect.base import Denials
from gateway.errors import Code
from gateway.exchange.demand import Demand, Quota
from gateway.exchange.recorded import CallRecord, ExchangeRecord
from gateway.policy.call import Answer, Question

type Headers = tuple[tuple[str, str], ...]
"""Header fields in order, names as they came; repeated fields stay repeated."""


class Fault(StrEnum):
    """How an upstream failed."""

    UNREACHABLE = "unreachable"  # no address, no connection, TLS refused
    UNTRUSTED = "untrusted"  # its certificate does not hold
    TIMEOUT = "timeout"  # no connection or no first byte in time
    BROKEN = "broken"  # closed or garbled in the middle of the answer


class RequestStarted(Struct, frozen=True):
    """The head of a request. `target` is path and query after the upstream's name, `/` first, as the client wrote it.

    `headers` are end-to-end only (hop-by-hop fields are the shell's). `has_body` is whether a body follows. `host` is
    set where the client chose it, as it spelt it. `session` is what the client calls the conversation, if it says so.
    """

    method: str
    target: str
    headers: Headers
    has_body: bool
    host: str = ""
    session: str = ""


class LimitsTaken(Struct, frozen=True):
    """The store's answer. `denied` names the limit that refused; `headers` are its RateLimit fields, for any answer.

    `retry_after` is in seconds, None where no waiting helps. `source` is who counted: "shared", "local" (this worker,
    by its share) or "unchecked". `unavailable` is set where the limits must be checked and cannot: why, for the log.
    `code` is what a denied request is refused with, `why` the words where the limit does not count at all, and
    `switch_to` the model that may be asked instead. `quotas` are for fields in the provider's words.
    """

    denied: str | None = None
    retry_after: int | None = None
    headers: Headers = ()
    source: str | None = None
    unavailable: str | None = None
    code: Code = Code.RATE
    why: str | None = None
    switch_to: str | None = None
    quotas: tuple[Quota, ...] = ()


class RequestData(Struct, frozen=True):
    data: bytes
    last: bool


class AnswerStarted(Struct, frozen=True):
    status: int
    headers: Headers


class AnswerData(Struct, frozen=True):
    data: bytes
    last: bool


class UpstreamFailed(Struct, frozen=True):
    """`detail` is for the log alone; the client is told the fault."""

    fault: Fault
    detail: str


class DialDenied(Struct, frozen=True):
    """The upstream's name leads to an address that may not be dialled; nothing was sent. `reason` is for the client."""

    reason: str


class RequestBroken(Struct, frozen=True):
    """The rest of the request body does not come, or its framing is broken. `detail` may be told to the client."""

    detail: str


class ClientGone(Struct, frozen=True):
    pass


class Stopped(Struct, frozen=True):
    """The switch was thrown: nothing more may pass. `why` is for the client."""

    why: str


class Overdue(Struct, frozen=True):
    """The time that was set by `StartClock` is over."""


class Failed(Struct, frozen=True):
    """An exception in the shell, or in the exchange itself. `stage` names where; `detail` is for the log alone."""

    stage: str
    detail: str


class Unread(StrEnum):
    """Why nothing of a PDF was read."""

    BROKEN = "pdf_broken"  # or no PDF at all
    ENCRYPTED = "pdf_encrypted"
    TOO_LARGE = "pdf_too_large"  # in bytes, pages or text
    OVERTIME = "pdf_overtime"  # its reader took too long, or fell over
    UNAVAILABLE = "pdf_unavailable"  # there is no reader
    BUSY = "pdf_busy"  # too many others wait to be read


class Extracted(Struct, frozen=True):
    """All texts of a PDF, or why there are none. `parts` names what in it was not read, as `Uninspected` does."""

    texts: tuple[str, ...] = ()
    unread: Unread | None = None
    parts: tuple[str, ...] = ()


class Answered(Struct, frozen=True):
    """What was said to the questions of an `Ask`, in their order."""

    answers: tuple[Answer, ...]


class Recalled(Struct, frozen=True):
    """What was remembered under the names of a `Recall`."""

    denials: tuple[Denials, ...] = ()


class Announced(Struct, frozen=True):
    """Calls were sent, by an exchange of their own, that this one's stream answers."""

    expected: Expected


class CallsOverdue(Struct, frozen=True):
    """The time of such calls is over."""

    expected: Expected


type Event = (
    RequestStarted
    | LimitsTaken
    | RequestData
    | RequestBroken
    | AnswerStarted
    | AnswerData
    | UpstreamFailed
    | DialDenied
    | Extracted
    | Answered
    | Recalled
    | Announced
    | CallsOverdue
    | ClientGone
    | Stopped
    | Overdue
    | Failed
)


class Consult(Struct, frozen=True):
    """Ask the store for what `demand` takes of the exchange's limits; answer with LimitsTaken."""

    demand: Demand = Demand()


class Extract(Struct, frozen=True):
    """Read the texts of a PDF, where it can do no harm; answer with Extracted."""

    data: bytes


class Ask(Struct, frozen=True):
    """Ask whether these calls are approved; answer with Answered.

    `is_patient` is whether the client can wait for minutes: since `keepalive` is sent to it from time to time, or since
    it waits on a connection that has signs of life of its own.
    """

    questions: tuple[Question, ...]
    keepalive: bytes = b""
    is_patient: bool = False


class StartClock(Struct, frozen=True):
    """Tell `Overdue` in so many seconds from now, unless the exchange is over by then; `CallsOverdue`, where it is the
    clock `of` calls that an exchange of their own has sent.

    Another one begins anew, but `most` seconds after the first it is over all the same.
    """

    seconds: float
    most: float
    of: Expected | None = None


class Listen(Struct, frozen=True):
    """Tell `Announced` of calls that are answered on this stream, from now on until the exchange is over."""

    ear: Ear


class Announce(Struct, frozen=True):
    """Tell the exchange with the stream on which these calls are answered that they are sent."""

    expected: Expected


class Settle(Struct, frozen=True):
    """Write down what became of the results of calls that were answered on this stream. `of` is the id of the exchange
    that has sent them, and whose record has all the rest."""

    of: str
    calls: tuple[CallRecord, ...]


class Recall(Struct, frozen=True):
    """Tell what was remembered under these names of refused calls; answer with Recalled."""

    names: tuple[str, ...]


class Remember(Struct, frozen=True):
    """Keep what a later request must bring along, before its client can know of the answer that it leans on."""

    denials: tuple[Denials, ...]


class ReadBody(Struct, frozen=True):
    """Feed the request body as RequestData."""


class StartUpstream(Struct, frozen=True):
    """Send the request upstream. `body` is the whole body, or None where it follows piece by piece in SendUpstream.

    `headers` are complete but for Host and the message framing, which the shell's client adds.
    """

    method: str
    target: str
    headers: Headers
    body: bytes | None


class SendUpstream(Struct, frozen=True):
    data: bytes
    last: bool


class BeginAnswer(Struct, frozen=True):
    """Start the answer to the client; its body follows in SendAnswer.

    A content-length among the headers holds, and is the shell's to keep; without one the body is chunked.
    """

    status: int
    headers: Headers


class SendAnswer(Struct, frozen=True):
    data: bytes


class EndAnswer(Struct, frozen=True):
    """End the answer: `clean` with a proper end of the message, else by closing the connection (a reset)."""

    clean: bool


class Respond(Struct, frozen=True):
    """A whole answer at once; sets the message framing itself."""

    status: int
    headers: Headers
    body: bytes


class DropUpstream(Struct, frozen=True):
    """Close the upstream's answer without reading on."""


class Finish(Struct, frozen=True):
    """The exchange is over; write the record."""

    record: ExchangeRecord


type Command = (
    Consult
    | Extract
    | Ask
    | StartClock
    | Listen
    | Announce
    | Settle
    | Recall
    | Remember
    | ReadBody
    | StartUpstream
    | SendUpstream
    | BeginAnswer
    | SendAnswer
    | EndAnswer
    | Respond
    | DropUpstream
    | Finish
)
