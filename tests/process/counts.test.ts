// Totals of lists through two processes on one database: a write acknowledged by one is in the total of the other.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { signedIn } from '../lib/client.ts';
import { type Dialect, dialects, Server } from '../lib/server.ts';

const kWrites = 60;

for (const dialect of dialects()) {
  describe(`totals of two processes on ${dialect}`, { concurrency: false }, () => totals(dialect));
}

function totals(dialect: Dialect): void {
  let first: Server, second: Server;

  before(async () => {
    first = await Server.start(dialect);
    second = first.twin();
    await second.launch();
  });
  after(async () => {
    await second?.end();
    await first?.stop();
  });

  it('never misses a write that was acknowledged before the list was asked for', async () => {
    const writer = await signedIn(first.url);
    const reader = await signedIn(second.url);
    await writer.resource('collections').create({ values: { name: 'notes', fields: [{ name: 'text', type: 'string' }] } });
    await writer.resource('notes').create({ values: Array.from({ length: 40 }, (_, i) => ({ text: `n${i}` })) });
    const total = async (): Promise<number> =>
      (await reader.resource('notes').list({ pageSize: 20 })).data.meta.count;
    // Others keep asking for the same total all the time, so that there always is one under way or kept.
    let done = false;
    const crowd = Array.from({ length: 4 }, async () => {
      while (!done) await total();
    });
    try {
      let written = 40;
      for (let i = 0; i < kWrites; ++i) {
        await writer.resource('notes').create({ values: { text: `w${i}` } });
        ++written;
        assert.equal(await total(), written, `after write ${i}`);
      }
    } finally {
      done = true;
      await Promise.all(crowd);
    }
  });
}
