"""Sentences of providers and gateways that say one thing only.

Many errors have no code, or one that says nothing. A sentence counts only if it can be
nothing else: a server that fails may speak of its moderation too.
"""

from __future__ import annotations

import re

from .reasons import Reason

# Regular expressions, one a line. The reasons that stand first win.
SENTENCES = {
    Reason.BLOCKED: r"""
        rejected (?:by|as a result of) (?:the|our|its) safety system
        rejected by (?:our )?content moderation
        blocked by (?:the |our )?content (?:filters?|moderation|policy)
        blocked by (?:the |our )?safety (?:system|filters?|settings|policy)
        violat\w+ (?:[\w']+ ){0,2}(?:usage|content|safety|use) (?:polic\w+|guidelines)
        flagged as (?:potentially )?violating
        (?:input|prompt|request|output|image|content) (?:was|were|has been) flagged
        flagged by (?:our |the )?(?:content )?moderation
        triggering (?:[\w']+ ){0,4}content management policy
        (?:request|content) moderated\b
        contains? filtered words
        nsfw content detected
        (?:sensitive|inappropriate) content (?:was )?detected
        (?:did not|didn't|does not) pass (?:the |our )?(?:safety|moderation)
        \bsafety_violations=\[
        \b(?-i:IMAGE_SAFETY|(?:IMAGE_)?PROHIBITED_CONTENT|SAFETY_CHECK_TYPE_\w+)\b
        (?:blocked|filtered|rejected) due to (?:a )?(?:safety|content|policy)
        data may contain inappropriate content
        (?:prompt|input|image|output) (?:has )?failed (?:the |our |a )?safety check
        (?:content moderation|safety) filter:
        blocked by (?:the |our |a )?guardrails?
        violat\w+ (?:[\w']+ ){0,2}responsible ai (?:practices|policy)
        \bnew_sensitive\b
        (?:不安全|敏感|违规)(?:或\w{1,4})?(?:的)?内容
    """,
    Reason.TOO_LARGE: r"""
        ^request too large for
        maximum context length
        context (?:length|window)[^.]{0,40}(?:exceed|too (?:long|large))
        exceeds? the (?:model'?s )?(?:context|maximum (?:number of )?(?:input )?tokens)
        (?:prompt|input) is too long
        too many (?:input )?tokens
        reduce the length of
        (?:request|payload) (?:body )?(?:is )?too large
        request payload size exceeds
        input token count[^.]{0,40}exceeds
    """,
    Reason.QUOTA: r"""
        credit balance is too low
        insufficient (?:balance|credits?|funds|quota)
        check your plan and billing
        billing (?:hard )?limit
        (?:used all|out of|no|not enough|run out of) (?:available )?credits
        monthly spend(?:ing)? limit
        exceeded your (?:current |monthly )?(?:quota|budget)
        payment (?:is )?required
        billing is not (?:active|enabled)
        budget has been exceeded
    """,
    Reason.REFUSED_INPUT: r"""
        (?:not|n't) (?:represent )?a valid image
        (?:invalid|unsupported) image
        (?:not|n't|unable to|failed to) (?:process|decode)(?: \w+){0,2} (?:image|file)
        (?:not|n't|unable to|failed to) (?:download|fetch)(?: \w+){0,2} (?:image|file)
        (?:not|n't|unable to|failed to) (?:open|parse|read)(?: \w+){0,2} (?:image|file)
        (?:not|n't|unable to|failed to) identify(?: \w+){0,2} (?:image|file)
        image (?:exceeds|dimensions|is too (?:large|small)|size (?:is|exceeds))
        image data (?:is|could)
        image\.source\.
        media_type[^.]{0,60}image
        at most \d+ images?
        too many images
        (?:does not|doesn't|not) support (?:image|file|pdf|vision)
        support image input
        (?:unsupported|invalid) (?:file|mime)
        error while downloading
        图片输入格式
        image(?: you provided)? is (?:corrupt|damaged|empty|invalid)
    """,
    Reason.NOT_ALLOWED: r"""
        (?:incorrect|invalid|missing|no|expired) api[ _-]?key
        api key (?:not (?:valid|found)|is (?:invalid|missing|expired)|expired)
        organization must be verified
        (?:must be|is not) verified
        does not have (?:permission|access)
        not (?:authorized|permitted) to
        country, region, or territory not supported
        location is not supported
        account (?:has been|is) (?:deactivated|suspended|disabled)
    """,
    Reason.RATE_LIMITED: r"""
        rate[ -]limit (?:is |was |has been )?(?:reached|exceeded|hit)
        rate[ -]limited
        too many requests
        resource (?:has been |is )?exhausted
        exceeded (?:your |the )?rate limit
        requests? (?:was|were) throttled
    """,
    Reason.GONE: r"""
        item with id '[^']*' not found
        previous response with id [^.]* not found
        model [`'"][^`'"]+[`'"] (?:does not exist|(?:was |is )?not found)
        is no longer available
        has been deprecated
        encrypted content [^.]*could not be (?:verified|decrypted)
    """,
    Reason.TIMEOUT: r"""
        \btimed[ -]out\b
        \btimeout\b
        deadline exceeded
        took too long
    """,
    Reason.OVERLOADED: r"""
        overloaded
        at capacity
        high demand
        temporarily unavailable
        service unavailable
        try again later
        server had an error
        internal server error
        bad gateway
        no healthy upstream
        upstream connect error
    """,
    Reason.BROKEN_OFF: r"""
        connection (?:was |has been )?(?:reset|closed|aborted|lost|refused|error)
        server disconnected
        incomplete (?:chunked )?read
        peer closed connection
        did not produce a final response
        stream (?:was )?(?:closed|disconnected|ended)
        all connection attempts failed
        premature end
    """,
}
# With these in the same line, a filter has not judged: it could not, or let it pass.
NOT_JUDGED = r"""
    (?:cannot|can't|could not|couldn't|unable to|failed to|failure to) (?:reach|contact)
    (?:cannot|can't|could not|couldn't|unable to|failed to|failure to) (?:connect|call)
    (?:cannot|can't|could not|couldn't|unable to|failed to) (?:load|run|check)
    (?:cannot|can't|could not|couldn't|unable to|failed to) (?:apply|be reached)
    error (?:while|when|during|in|from)\b
    unavailable
    timed[ -]out
    (?:\bnot|n't) (?:been )?(?:flagged|blocked|filtered|moderated|rejected)
    moderation (?:service|endpoint|server|api)
    \bnot because
"""


def _pattern(lines: str) -> re.Pattern[str]:
    parts = (line.strip() for line in lines.splitlines())
    return re.compile("|".join(part for part in parts if part), re.IGNORECASE)


PATTERNS = {reason: _pattern(lines) for reason, lines in SENTENCES.items()}
UNJUDGED = _pattern(NOT_JUDGED)


def spoken(text: str, *allowed: Reason) -> Reason | None:
    """Return the first of the reasons that sentences name.

    Args:
        text: What a provider or an exception says.
        allowed: The reasons that are looked for; all of them if there are none.
    """
    for reason, pattern in PATTERNS.items():
        if allowed and reason not in allowed:
            continue
        for line in text.splitlines():
            if pattern.search(line) and not (
                reason is Reason.BLOCKED and UNJUDGED.search(line)
            ):
                return reason
    return None
