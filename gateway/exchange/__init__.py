"""The machine of one exchange: events in, commands out, no I/O.

    request   body -> units -> segments -> findings -> verdict -> patches -> body
    answer    the same, for a whole body; for a stream event by event, in `stream.py`

`machine.py` holds the states, `judge.py` joins detection and policy, `request.py` and `answer.py` carry a body there
and back. `session.py` is the machine of a WebSocket, whose messages take the same ways.
"""
