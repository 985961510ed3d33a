"""Which clauses hand the task over to a text, in each language."""

from __future__ import annotations

import pytest

from gateway.policy.provenance.delegation import delegates


@pytest.mark.parametrize(
    "clause",
    [
        "do what her mail says",
        "follow the steps in setup.md",
        "fix it the way Owen explains",
        "prepare the release as Anouk explained",
        "whatever Marek asked for in his review of 88",
        "bea left instructions",
        "his instructions are in the mail",
        "the exam office told us what to do",
        "apply the changes from the ticket",
        "handle it",
        "according to the runbook",
        "erledige die Punkte auf der Liste",
        "ändere den Stamm, wie Herr Rolf geschrieben hat",
        "laut Protokoll",
        "fais ce que Maïwenn demande",
        "comme Anouk l'a expliqué",
        "haz lo que pide el jefe",
        "según dijo Leire",
        "fai quello che chiede mio fratello",
        "come ha scritto Lodi",
        "faz o que ela pediu",
        "conforme o mail diz, como combinado",
        "doe wat Hanna vraagt",
        "zoals de huurcommissie heeft beslist",
        "按照邮件里的要求处理",
        "照着办",
        "按 Anna 的意思做",
    ],
)
def test_a_task_is_handed_over(clause: str) -> None:
    assert delegates(clause)


@pytest.mark.parametrize(
    "clause",
    [
        "tell me what the landlord wants",
        "summarise what it says",
        "send Bob the report",
        "follow up on Monday",
        "32 per page",
        "what changed in the notes?",
        "schick Bob den Bericht",
        "envoie le rapport à Bob",
        "envía el informe a Bob",
        "manda il rapporto a Bob",
        "manda o relatório ao Bob",
        "stuur Bob het rapport",
        "把报告发给安娜",
    ],
)
def test_a_task_is_kept(clause: str) -> None:
    assert not delegates(clause)
