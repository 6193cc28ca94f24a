// A subscriber as teams write it on Node: every message is verified by sns-validator before anything
// else is done with it. Prints what it saw as JSON.
import http from 'node:http';
import https from 'node:https';
import { HttpsProxyAgent } from 'https-proxy-agent';
import MessageValidator from 'sns-validator';
import {
  CreateTopicCommand, GetTopicAttributesCommand, ListSubscriptionsByTopicCommand, PublishCommand,
  PublishBatchCommand, SNSClient, SubscribeCommand,
  UnsubscribeCommand,
} from '@aws-sdk/client-sns';

https.globalAgent = new HttpsProxyAgent(process.env.HTTPS_PROXY);

const [, , name, version] = process.argv;
const sns = new SNSClient({});
const validator = new MessageValidator();
const seen = { verified: [], refused: [], headers: [] };
let heard = () => {};

const verify = (message) => new Promise((resolve, reject) => {
  validator.validate(message, (error, good) => (error ? reject(error) : resolve(good)));
});
const visit = (url) => new Promise((resolve, reject) => {
  https.get(url, (answer) => answer.resume().on('end', () => resolve(answer.statusCode)))
    .on('error', reject);
});

const server = http.createServer(async (request, response) => {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  if (request.headers['x-amz-sns-message-type'] === 'UnsubscribeConfirmation') {
    // sns-validator leaves the token out of what it verifies here, other than AWS's guide.
    response.end();
    return;
  }
  try {
    const message = await verify(Buffer.concat(pieces).toString());
    if (message.Type === 'SubscriptionConfirmation') await visit(message.SubscribeURL);
    seen.verified.push([message.Type, message.Subject ?? null, message.Message.split('\n')[0]]);
    if (message.Type === 'Notification') {
      seen.headers = [request.headers['x-amz-sns-message-type'], request.headers['user-agent']];
      seen.attributes = message.MessageAttributes ?? seen.attributes;
      seen.version = message.SignatureVersion;
      seen.link = message.UnsubscribeURL;
      // What was changed on the way is found out.
      await verify({ ...message, Message: 'Pay somebody else' }).catch((e) => seen.refused.push(e.message));
    }
    response.end();
  } catch (error) {
    seen.refused.push(String(error));
    response.writeHead(403).end();
  }
  heard();
});

async function until(done) {
  const stop = Date.now() + 20_000;
  while (!(await done())) {
    if (Date.now() > stop) throw new Error(`waited in vain: ${JSON.stringify(seen)}`);
    await new Promise((resolve) => { heard = resolve; setTimeout(resolve, 50); });
  }
}

await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const { TopicArn } = await sns.send(
  new CreateTopicCommand({ Name: name, Attributes: { SignatureVersion: version } }),
);
const asked = await sns.send(new SubscribeCommand({
  TopicArn, Protocol: 'http', Endpoint: `http://127.0.0.1:${server.address().port}/hook`,
}));
seen.asked = asked.SubscriptionArn;
const confirmed = async () => {
  const { Attributes } = await sns.send(new GetTopicAttributesCommand({ TopicArn }));
  return Attributes.SubscriptionsConfirmed === '1';
};
await until(confirmed);
await sns.send(new PublishCommand({
  TopicArn, Message: 'Grüße 🎉\n"second" line\t\\', Subject: 'Greeting',
  MessageAttributes: { kind: { DataType: 'String', StringValue: 'news' } },
}));
await until(() => seen.verified.length === 2);
await sns.send(new PublishBatchCommand({
  TopicArn,
  PublishBatchRequestEntries: [{ Id: 'a', Message: 'one' }, { Id: 'b', Message: 'two' }],
}));
await until(() => seen.verified.length === 4);
// One of the two ways to go: by the SDK, or by the link that each message carries.
const { Subscriptions } = await sns.send(new ListSubscriptionsByTopicCommand({ TopicArn }));
if (version === '1') {
  await sns.send(new UnsubscribeCommand({ SubscriptionArn: Subscriptions[0].SubscriptionArn }));
} else {
  seen.left = await visit(seen.link);
}
await until(async () => !(await confirmed()));
const none = await sns.send(new ListSubscriptionsByTopicCommand({ TopicArn }));
seen.subscribers = none.Subscriptions.length;
try {
  await sns.send(new PublishCommand({ TopicArn: `${TopicArn}-no`, Message: 'x' }));
} catch (error) {
  seen.error = [error.name, error.$metadata.httpStatusCode];
}
delete seen.link;
console.log(JSON.stringify(seen));
server.closeAllConnections();
server.close();
sns.destroy();
