"""Pages behind the links in mails, where a browser confirms a subscription or ends it.

SNS's links lead to pages of these names; what a browser then shows is told in
docs.aws.amazon.com/cli/latest/userguide/cli-services-sns.html. A page acts by its script when a
person's browser opens it: a scanner that only fetches links changes nothing.
Law: a page is the same for everybody. What the link says is read by the script and shown as text.
"""

from __future__ import annotations

import base64
import hashlib

from ogi.http import Request, Response
from ogi.service import Ports
from ogi.services.sns.service import SERVICE

CONFIRM, LEAVE = "/_ogi/confirmation.html", "/_ogi/unsubscribe.html"

_SCRIPT = """
const asked = new URLSearchParams(location.search);
const show = (id, text) => { document.getElementById(id).textContent = text; };
const said = (xml, name) => {
  const found = new RegExp("<" + name + ">([^<]*)<").exec(xml);
  return found ? found[1].replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&") : "";
};
const act = async (action, names) => {
  const query = new URLSearchParams({ Action: action });
  for (const name of names) query.set(name, asked.get(name) ?? "");
  const answer = await fetch("../?" + query);
  const xml = await answer.text();
  if (!answer.ok) throw new Error(said(xml, "Message") || "Status " + answer.status);
  return xml;
};
const who = asked.get("Endpoint") ?? "this endpoint";
const confirm = async () => {
  const id = said(await act("ConfirmSubscription", ["TopicArn", "Token"]), "SubscriptionArn");
  show("title", "Subscription confirmed!");
  show("what", "You have subscribed " + who + " to the topic:" + id.split(":")[5] + ".");
  show("more", "Your subscription's id is: " + id);
  show("way", "If it was not your intention to subscribe, click here to unsubscribe.");
  const query = new URLSearchParams({ SubscriptionArn: id, Endpoint: who });
  document.getElementById("way").href = "unsubscribe.html?" + query;
};
const leave = async () => {
  await act("Unsubscribe", ["SubscriptionArn"]);
  show("title", "Subscription removed!");
  show("what", who + " is no longer subscribed by: " + asked.get("SubscriptionArn"));
  show("more", "If it was not your intention to unsubscribe, follow the link in the mail about it"
    + " to resubscribe.");
};
const wanted = location.pathname.endsWith("/unsubscribe.html") ? leave : confirm;
const done = wanted().catch((error) => {
  show("title", "That did not work.");
  show("what", error.message);
});
"""
_STYLE = "body { font: 1rem/1.5 sans-serif; margin: 4rem auto; max-width: 40rem; }"
_PAGE = f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Notifications</title><style>{_STYLE}</style></head>
<body>
<h1 id="title">One moment</h1>
<p id="what"><noscript>This page needs JavaScript.</noscript></p>
<p id="more"></p>
<p><a id="way"></a></p>
<script>{_SCRIPT}</script>
</body>
</html>
""".encode()


def _hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_HEADERS = [
    ("content-type", "text/html; charset=utf-8"),
    ("cache-control", "no-store"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("content-security-policy",
     f"default-src 'none'; script-src {_hashed(_SCRIPT)}; style-src {_hashed(_STYLE)};"
     " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
]  # fmt: skip


@SERVICE.page(CONFIRM)
@SERVICE.page(LEAVE)
async def page(ports: Ports, request: Request) -> Response:
    return Response(200, list(_HEADERS), _PAGE if request.method == "GET" else b"")
