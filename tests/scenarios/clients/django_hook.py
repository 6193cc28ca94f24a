"""A Django application with the webhook of django-ses, as it hears of bounces by SNS.

Its standard output: the port, then a line of JSON for each signal.
"""

import json
import logging
import sys
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={},
    INSTALLED_APPS=["django_ses"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of a test",
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import path  # noqa: E402
from django_ses.signals import bounce_received  # noqa: E402
from django_ses.views import SESEventWebhookView  # noqa: E402

urlpatterns = [path("hook/", SESEventWebhookView.as_view())]
logging.basicConfig(stream=sys.stderr, level=logging.INFO)


def told(sender, mail_obj, bounce_obj, raw_message, **rest):
    addresses = [one["emailAddress"] for one in bounce_obj["bouncedRecipients"]]
    print(json.dumps({"bounced": addresses, "of": mail_obj["messageId"]}), flush=True)


bounce_received.connect(told)


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


server = make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Quiet)
print(server.server_port, flush=True)
server.serve_forever()
