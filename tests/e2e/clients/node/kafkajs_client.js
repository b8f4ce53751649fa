// kafkajs behind the commands of ../README.md.
const readline = require('readline');
const { Kafka, CompressionTypes, CompressionCodecs, ConfigResourceTypes, logLevel } = require('kafkajs');
CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy');

const CODECS = { none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy };
const unhex = (text) => (text === null ? null : Buffer.from(text, 'hex'));
const hexed = (data) => (data === null || data === undefined ? null : data.toString('hex'));
let kafka;

// kafkajs keeps headers in an object: a name that comes twice is a list, and the order between names is lost with it.
function toHeaders(pairs) {
  const headers = {};
  for (const [name, value] of pairs) (headers[name] ||= []).push(unhex(value));
  return headers;
}

function fromHeaders(headers) {
  return Object.entries(headers || {}).flatMap(([name, value]) => [value].flat().map((one) => [name, hexed(one)]));
}

async function produce(command) {
  const producer = kafka.producer({ idempotent: command.idempotent === true, allowAutoTopicCreation: false });
  await producer.connect();
  const messages = command.records.map((record) => ({
    partition: record.p < 0 ? undefined : record.p, key: unhex(record.k), value: unhex(record.v),
    headers: toHeaders(record.h), timestamp: String(record.t),
  }));
  const answers = await producer.send({ topic: command.topic, acks: -1, compression: CODECS[command.compression], messages });
  await producer.disconnect();
  // The answer names the first offset of each partition; records keep their order within one.
  const next = new Map(answers.map((answer) => [answer.partition, Number(answer.baseOffset)]));
  return { at: command.records.map((record) => { const offset = next.get(record.p); next.set(record.p, offset + 1); return [record.p, offset]; }) };
}

async function consume(command) {
  const consumer = kafka.consumer({ groupId: command.group, allowAutoTopicCreation: false });
  await consumer.connect();
  await consumer.subscribe({ topic: command.topic, fromBeginning: true });
  const records = [];
  const ends = new Map();
  await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`only ${records.length} records came`)), 60000);
    consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message }) => {
        if (records.length >= command.count) return;
        records.push({ p: partition, o: Number(message.offset), k: hexed(message.key), v: hexed(message.value),
          h: fromHeaders(message.headers), t: Number(message.timestamp) });
        ends.set(partition, Number(message.offset) + 1);
        if (records.length === command.count) { clearTimeout(timer); resolve(); }
      },
    }).catch(reject);
  });
  await consumer.commitOffsets([...ends].map(([partition, offset]) => ({ topic: command.topic, partition, offset: String(offset) })));
  await consumer.disconnect();
  return { records };
}

async function admin(work) {
  const client = kafka.admin();
  await client.connect();
  try { return await work(client); } finally { await client.disconnect(); }
}

const HANDLERS = {
  connect: async (command) => {
    kafka = new Kafka({ clientId: 'kafkajs', brokers: [command.bootstrap], logLevel: logLevel.ERROR });
    return {};
  },
  produce,
  consume,
  create_topic: (command) => admin(async (client) => {
    const configEntries = Object.entries(command.configs).map(([name, value]) => ({ name, value }));
    await client.createTopics({ topics: [{ topic: command.topic, numPartitions: command.partitions, replicationFactor: 1, configEntries }] });
    return {};
  }),
  delete_topic: (command) => admin(async (client) => { await client.deleteTopics({ topics: [command.topic] }); return {}; }),
  topics: () => admin(async (client) => ({ topics: (await client.listTopics()).sort() })),
  config: (command) => admin(async (client) => {
    const answer = await client.describeConfigs({ includeSynonyms: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: command.topic, configNames: [command.key] }] });
    return { value: answer.resources[0].configEntries[0].configValue };
  }),
};

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const command = JSON.parse(line);
    let answer;
    try { answer = await HANDLERS[command.do](command); } catch (fault) { answer = { error: `${fault.name}: ${fault.message}` }; }
    process.stdout.write(JSON.stringify(answer) + '\n');
  }
}
main();
