"""Words that matter to `verify`: those that argue for less concern, and those that say something."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

# Each tells an analyst to worry less; a blank is any white space. A sentence that holds one is dropped, unless the
# decision itself is calm or the evidence that it cites says the same.
_CALMING = (
    r"benign|harmless|innocuous|legitimate\w*|legit|authori[sz]ed|sanctioned|approved|permitted|safe|safely|trusted",
    r"expected|routine|routinely|whitelist\w*|allowlist\w*|exempt\w*|unlikely|simulat\w+|maintenance|scheduled",
    r"false[\s-]?(?:positive|alarm)s?|under control|(?:rest )?assured",
    r"(?:don'?t|do not|not|never) (?:worry|escalate|alert)",
    r"all (?:is )?(?:well|good|clear|fine)|(?:is|are|looks?|seems?) (?:fine|okay|ok|good|clean|normal)|nothing \w+",
    r"no (?:\w+ )?(?:action|threat|risk|danger|reason|need|evidence|indication)s?",
    r"no (?:\w+ )?(?:sign|harm|impact|concern|attack|cause)s?",
    r"no (?:further|longer|compromise|intrusion|incident|investigation|escalation|response)",
    r"not? (?:a |an |any |at all )?(?:real |actual )?(?:threat|attack|malicious|suspicious|concern\w*|compromis\w+)",
    r"not (?:a |an )?(?:dangerous|harmful|incident|unusual|real|relevant|required|necessary|needed|affected|serious)",
    r"ignor\w+|disregard\w*|dismiss\w*|downgrad\w+|suppress\w*|de-?escalat\w+|overlook\w*|discard\w*",
    r"(?:can|could|may|should|must|please|to) (?:be )?(?:\w+ )?(?:close|delete|skip|skippe|omit|omitte)d?",
    r"(?:clos|delet|skipp?)(?:e|ing) (?:the |this |all |any )?\w*\s?(?:case|alert|ticket|finding|evidence)s?",
    r"(?:lower|reduce|decrease)[sd]? (?:the )?\w*\s?(?:verdict|severity|priority|score|concern|probability|risk)",
    r"(?:penetration|pen|red[\s-]?team|purple[\s-]?team|security|phishing)[\s-]?(?:test\w*|exercise|drill|assessment)",
    r"(?:a|the|just|only|planned|known|our|internal) (?:test|drill|exercise|scan|scanner)",
    r"test (?:run|alert|data|system)",
    r"resolved|remediated|mitigated|contained|blocked|prevented|thwarted|unsuccessful\w*|neutrali[sz]ed|quarantined",
    r"(?:normal|usual|ordinary|typical|regular|everyday|common) (?:behavio\w*|activity|traffic|operations?|use|usage)",
    r"(?:normal|usual|ordinary|typical|regular|everyday) (?:administrat\w+|business|work|process|maintenance)",
    r"(?:nightly|daily|weekly|monthly|automated|automatic|regular) \w+",
    r"(?:backup|batch|cron|update|maintenance) (?:job|task)s?",
    r"by design|as (?:planned|intended|designed|agreed|usual)|intended|housekeeping|health checks?|false lead",
    r"(?:known|harmless|minor) (?:issue|bug|glitch|misconfiguration)s?|misconfigur\w+|glitch\w*|background noise",
    r"(?:system |network |it )?administrators? (?:work|task|activity|did|was|were|ran|performed)\w*|help ?desk work",
    r"(?:low|minor|negligible|little|minimal) (?:risk|priority|severity|impact|concern|threat|likelihood)",
)
_CALM = re.compile(rf"\b(?:{'|'.join(_CALMING)})\b".replace(" ", r"\s+"), re.IGNORECASE)

_SILENT = """
about above after again against also although among another been before being below between both came come could does
doing done down during each either else ever every from further gave give given goes going gone have having here hers
into itself just keep kept knows known less like likely made make many might more most much must near need next none
often once only onto other ours over possibly probably quite rather same seem seems seen several shall should show
shown shows since some something soon still such taken than that their them then there these they thing this those
through thus together took toward towards under until upon used uses using very want well went were what when where
whether which while whose will with within without would your
"""
SILENT = frozenset(_SILENT.split())
# Of a sentence that tells what happened: they need no evidence.
_NEUTRAL = """
access account action activity address alert alerts attack attacker attackers because began belongs case command
connected connection device devices different earlier event events evidence evidently fired first followed following
happened host indicates intruder involved later machine minutes moved moment name network next observed occurred
outside previous process program recur recurs related remote report reported rule rules same second sent sequence
series server several signal started stopped suggests system systems targeted third times together tried triggered
user users went
"""
_WORD = re.compile(r"[^\W\d_]{4,}")
STEM = 6  # letters that forms of one word share: "connect", "connected", "connection"


def _stem(word: str) -> str:
    return (word[:-1] if word.endswith("s") and not word.endswith("ss") else word)[:STEM]


NEUTRAL = frozenset(_stem(word) for word in _NEUTRAL.split())


def calming(sentence: str) -> Iterator[str]:
    """What in it argues that there is less to worry about, folded."""
    for match in _CALM.finditer(folded(sentence)):
        yield match[0]


def telling(text: str) -> set[str]:
    """Beginnings of the words that say something."""
    return {_stem(word) for word in _WORD.findall(text.casefold()) if word not in SILENT}


def folded(text: str) -> str:
    """In small letters without accents, in one width, with single blanks."""
    plain = unicodedata.normalize("NFKD", text)
    return " ".join("".join(char for char in plain if not unicodedata.combining(char)).casefold().split())
