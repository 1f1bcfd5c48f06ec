// node-zendesk: `client.users.list()`, which is cursor pagination in its current version.
// `node node_users.mjs URL FOLDER`, in the folder that it is installed in. Nothing is patched: `endpointUri` is an option.
import { createWriteStream } from "node:fs";
import { createRequire } from "node:module";
import { finished } from "node:stream/promises";

const [url, folder] = process.argv.slice(2);
const { createClient } = createRequire(`${process.cwd()}/`)("node-zendesk");
const client = createClient({ endpointUri: `${url}/api/v2`, username: "someone@example.com", token: "none" });

const lines = createWriteStream(`${folder}/users.ndjson`);
for (const user of await client.users.list()) lines.write(`${JSON.stringify(user)}\n`);
lines.end();
await finished(lines);
