// Run by Node: the AWS SDK for JavaScript sends to a queue, sqs-consumer drains it; what was seen
// is printed as JSON. The second message fails once and must come again.
import {
  CreateQueueCommand, GetQueueAttributesCommand, GetQueueUrlCommand,
  SQSClient, SendMessageBatchCommand, SendMessageCommand,
} from "@aws-sdk/client-sqs";
import { Consumer } from "sqs-consumer";

const name = process.argv[2];
const sqs = new SQSClient({ maxAttempts: 1 });
const { QueueUrl: queueUrl } = await sqs.send(new CreateQueueCommand({
  QueueName: name, Attributes: { VisibilityTimeout: "60" },
}));
// The SDK checks the MD5 of the body in every answer.
await sqs.send(new SendMessageCommand({
  QueueUrl: queueUrl, MessageBody: "first é",
  MessageAttributes: { kind: { DataType: "String", StringValue: "greeting" } },
}));
const batch = await sqs.send(new SendMessageBatchCommand({
  QueueUrl: queueUrl,
  Entries: [{ Id: "b", MessageBody: "second" }, { Id: "c", MessageBody: "third" },
    { Id: "d", MessageBody: "bad \u0001" }],
}));
let refused;
try {
  await sqs.send(new GetQueueUrlCommand({ QueueName: name + "-missing" }));
} catch (error) {
  refused = [error.name, error.$metadata.httpStatusCode];
}

const handled = [];
const errors = [];
let kind;
const consumer = Consumer.create({
  queueUrl, sqs, batchSize: 10, waitTimeSeconds: 5, messageAttributeNames: ["All"],
  terminateVisibilityTimeout: true,
  handleMessage: async (message) => {
    kind = kind ?? message.MessageAttributes?.kind?.StringValue;
    const first = !handled.includes("failed " + message.Body);
    if (message.Body === "second" && first) {
      handled.push("failed second");
      throw new Error("once");
    }
    handled.push(message.Body);
    return message;
  },
});
consumer.on("error", (error) => errors.push(error.message));
consumer.on("processing_error", (error) => errors.push(error.message));
consumer.start();
const until = Date.now() + 20_000;
while (handled.length < 4 && Date.now() < until) await new Promise((go) => setTimeout(go, 50));
const seen = [...errors]; // Before the poll in progress is aborted.
consumer.stop({ abort: true });
await new Promise((go) => setTimeout(go, 200));
const { Attributes: left } = await sqs.send(new GetQueueAttributesCommand({
  QueueUrl: queueUrl,
  AttributeNames: ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
}));
console.log(JSON.stringify({
  failed: batch.Failed.map((entry) => entry.Code), refused, kind, errors: seen,
  handled: handled.sort(), left: Object.values(left),
}));
