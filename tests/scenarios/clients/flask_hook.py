"""A Flask application with an SNS endpoint, verified by aws-sns-message-validator.

Its standard output: the port, then a line of JSON for each message.
"""

import json
import threading
import urllib.parse

import flask
import requests
import sns_message_validator
from werkzeug.serving import make_server

app = flask.Flask(__name__)
validator = sns_message_validator.SNSMessageValidator()


def say(**what):
    print(json.dumps(what), flush=True)


@app.post("/hook")
def hook():
    kind = flask.request.headers["x-amz-sns-message-type"]
    # The content type says text, as SNS does by default: so it is not Flask's get_json.
    message = json.loads(flask.request.data)
    try:
        validator.validate_message_type(kind)
        validator.validate_message(message=message)
    except Exception as error:
        say(kind=kind, refused=f"{type(error).__name__}: {error}")
        return "no", 400
    # A Flask view answers when it is done: the link is visited while SNS waits.
    if kind == "SubscriptionConfirmation":
        answer = requests.get(message["SubscribeURL"])
        assert "<ConfirmSubscriptionResult>" in answer.text, answer.text
    host = urllib.parse.urlsplit(message["SigningCertURL"]).hostname
    say(kind=kind, text=message["Message"], subject=message.get("Subject"), host=host,
        leave=message.get("UnsubscribeURL"))  # fmt: skip
    return ""


@app.post("/leave")
def leave():
    return str(requests.get(flask.request.data.decode()).status_code)


server = make_server("127.0.0.1", 0, app, threaded=True)
print(server.port, flush=True)
threading.Thread(target=server.serve_forever).start()
