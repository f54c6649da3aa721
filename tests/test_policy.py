"""The content-security policy lets run what a page holds when it is built, and nothing else."""

import pytest

from book._ext import policy

HELLO = "alert('Hello, world.');"
HASH = "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='"  # of HELLO, as W3C's recommendation CSP Level 2 has it


@pytest.mark.parametrize(
    "markup",
    [f"<script>{HELLO}</script>", f'<button onclick="{HELLO.replace("&", "&amp;")}">', f'<p onload="{HELLO}"></p>'],
)
def test_what_stands_in_a_page_may_run(markup):
    assert f"script-src 'self' 'wasm-unsafe-eval' 'unsafe-hashes' {HASH};" in policy.policy(f"<html>{markup}</html>")


def test_an_attribute_counts_as_the_browser_reads_it():
    assert policy.policy('<a onclick="a &amp;&amp; b()">') == policy.policy("<script>a && b()</script>")


@pytest.mark.parametrize(
    "markup", [f'<script src="a.js">{HELLO}</script>', f"<p>{HELLO}</p>", f"<script></script><p>{HELLO}</p>", ""]
)
def test_nothing_else_may(markup):
    assert "sha256" not in policy.policy(markup)


def test_the_policy_stands_before_what_a_page_loads():
    page = policy.guarded('<head><meta charset="utf-8" /><script src="a.js"></script></head>')
    assert page.index("Content-Security-Policy") < page.index("<script")
    with pytest.raises(ValueError, match=r"lacks <meta charset.*which its content-security policy follows: '<p>'"):
        policy.guarded("<p>")
