// The npm `openai` client against a gateway: node openai_client.mjs BASE_URL KEY WEAK_KEY. Prints one line a check and
// exits 1 if one failed.
import { createRequire } from "node:module";
// NODE_PATH holds the package; import statements do not look there, require does.
const { default: OpenAI } = createRequire(import.meta.url)("openai");

const [, , baseURL, key, weakKey] = process.argv;
const client = new OpenAI({ baseURL, apiKey: key, maxRetries: 0 });
const user = (content) => [{ role: "user", content }];
let failed = 0;

async function check(name, body) {
  try {
    await body();
    console.log(`ok   node_${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL node_${name}: ${error.stack ?? error}`);
  }
}
function equal(found, wanted) {
  if (JSON.stringify(found) !== JSON.stringify(wanted)) throw new Error(`${JSON.stringify(found)} is not ${JSON.stringify(wanted)}`);
}
async function raises(Class, status, call) {
  try {
    await call();
  } catch (error) {
    if (!(error instanceof Class) || error.status !== status) throw error;
    if (!error.requestID) throw new Error("no request id");
    return error;
  }
  throw new Error(`no ${Class.name}`);
}

await check("chat", async () => {
  const answer = await client.chat.completions.create({ model: "play", messages: user("hello") });
  equal(answer.choices[0].message.content, "Hello, world €!");
  equal(answer.usage.total_tokens, 14);
  if (!answer._request_id) throw new Error("no request id");
});
await check("stream_with_usage", async () => {
  const stream = await client.chat.completions.create({
    model: "play", messages: user("hello"), stream: true, stream_options: { include_usage: true } });
  let text = "", usage = null;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? "";
    usage = chunk.usage ?? usage;
  }
  equal([text, usage.completion_tokens], ["Hello, world €!", 7]);
});
await check("stream_helper_finds_role_and_finish_of_every_choice", async () => {
  const runner = client.chat.completions.stream({ model: "play", messages: user("choices"), n: 3 });
  const final = await runner.finalChatCompletion();
  equal(final.choices.map((c) => c.message.content), ["first", "second", "first"]);
});
await check("tool_calls_of_the_helper", async () => {
  const final = await client.chat.completions.stream({ model: "play", messages: user("weather") }).finalChatCompletion();
  equal(final.choices[0].message.tool_calls.map((c) => c.function.arguments), ['{"city":"Kiel"}', '{"city":"Oslo"}']);
});
await check("stop_and_logprobs", async () => {
  const answer = await client.chat.completions.create({
    model: "play", messages: user("hello"), stop: ["world"], logprobs: true, top_logprobs: 1 });
  equal(answer.choices[0].message.content, "Hello, ");
  if (answer.choices[0].logprobs.content.length < 3) throw new Error("logprobs are missing");
});
await check("completions", async () => {
  const answer = await client.completions.create({ model: "play", prompt: ["hello", "choices"] });
  equal(answer.choices.map((c) => c.text), ["Hello, world €!", "first"]);
});
await check("models", async () => {
  equal((await client.models.list()).data.map((m) => m.id), ["play", "fast"]);
});
await check("error_classes", async () => {
  const ask = (c, model = "play", extra = {}) => c.chat.completions.create({ model, messages: user("hello"), ...extra });
  const bad = await raises(OpenAI.BadRequestError, 400, () => ask(client, "play", { n: 0 }));
  equal([bad.param, bad.code], ["n", "invalid_value"]);
  await raises(OpenAI.AuthenticationError, 401, () => ask(new OpenAI({ baseURL, apiKey: "mgk_none_x", maxRetries: 0 })));
  await raises(OpenAI.NotFoundError, 404, () => ask(client, "none"));
  await raises(OpenAI.PermissionDeniedError, 403, () => ask(new OpenAI({ baseURL, apiKey: weakKey, maxRetries: 0 })));
  await raises(OpenAI.InternalServerError, 500, () => client.chat.completions.create({ model: "play", messages: user("break") }));
});
await check("a_fault_in_mid_stream_raises", async () => {
  const stream = await client.chat.completions.create({ model: "play", messages: user("break"), stream: true });
  let text = "", raised = false;
  try {
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
  } catch (error) {
    raised = true;
  }
  equal([text, raised], ["one two ", true]);
});
process.exit(failed ? 1 : 0);
