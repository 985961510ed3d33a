"""Approvals: calls that wait for a person, as documents in the registers that gateways share.

    question → Approvals.ask → ticket → Desk.decide → ticket → Approvals.ask → answer
                 (a gateway)    (a register)  (a person: command line, admin listener)

`ticket.py` has the document, `earlier.py` what earlier tickets say of a question, `decision.py` what a person's word
makes of a ticket; all three are pure. `book.py` and `passes.py` keep documents in registers; `asking.py` and `desk.py`
are the two sides. `masked.py` keeps secrets out of what is stored, `notice.py` makes what is sent to webhooks.
"""
