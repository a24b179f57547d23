// The command line of script/bench.
import { parseArgs } from 'node:util';
import { scenarios } from './scenarios.ts';

export interface Options {
  seconds: number;
  rounds: number;
  connections: number[];
  only: string[];
  orders: number;
  customers: number;
  fsync: boolean;
  json: boolean;
  binary: string;
  jobs: boolean;
  recovery: boolean;
  against?: string; // another build of the server
}

const usage = `usage: script/bench [OPTION...]

Measures build/release/halcyon on a PostgreSQL of its own, and beside each figure pgbench running the
same SQL on the same server. Everything runs on this machine.

  --seconds N        length of one measurement (5)
  --rounds N         measurements of each kind; the median counts (3)
  --connections A,B  connections of the load generators (16,64)
  --only NAME,...    these scenarios: ${scenarios.map((s) => s.name).join(', ')}
  --orders N         rows of orders (100000)
  --customers N      rows of customers (1000)
  --no-fsync         PostgreSQL without fsync: shows the cost of creating apart from the disk
  --binary PATH      measure this binary and do not build
  --json             print JSON and not a table
  --against PATH     instead of pgbench: the same requests on this other build of the server
  --idempotency      creates, against a build whose writes leave no key behind (builds it)
  --jobs             instead of all that: jobs a second through the queue
  --recovery         instead of all that: how long clients notice that a replica, the database or the
                     network between them died (tests/cluster)
  --quick            one round of 1 s at 16 connections
  --help
`;

export class UsageError extends Error {}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) {
    throw new UsageError(`--${name} expects a whole number above 0, not "${text}"`);
  }
  return value;
}

function parsed(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        seconds: { type: 'string' },
        rounds: { type: 'string' },
        connections: { type: 'string' },
        only: { type: 'string', multiple: true },
        orders: { type: 'string' },
        customers: { type: 'string' },
        'no-fsync': { type: 'boolean' },
        binary: { type: 'string' },
        json: { type: 'boolean' },
        against: { type: 'string' },
        idempotency: { type: 'boolean' },
        jobs: { type: 'boolean' },
        recovery: { type: 'boolean' },
        quick: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

// Options to run with, or undefined after --help was answered.
export function readOptions(args: string[], defaults: { binary: string; keyed: string; unkeyed: string }): Options | undefined {
  const values = parsed(args);
  if (values.help) {
    process.stdout.write(usage);
    return undefined;
  }
  const { idempotency } = values;
  const some = values.only ?? (idempotency ? ['create,create-key'] : []);
  const only = some.flatMap((list) => list.split(','));
  const known = scenarios.map((s) => s.name);
  for (const name of only) {
    if (!known.includes(name)) {
      throw new UsageError(`--only: no scenario "${name}"; there are ${known.join(', ')}`);
    }
  }
  const connections = values.connections ?? (values.quick ? '16' : '16,64');
  return {
    seconds: positive('seconds', values.seconds ?? (values.quick ? '1' : '5')),
    rounds: positive('rounds', values.rounds ?? (values.quick ? '1' : '3')),
    connections: connections.split(',').map((text) => positive('connections', text)),
    only,
    orders: positive('orders', values.orders ?? '100000'),
    customers: positive('customers', values.customers ?? '1000'),
    fsync: !values['no-fsync'],
    json: values.json ?? false,
    jobs: values.jobs ?? false,
    recovery: values.recovery ?? false,
    against: values.against ?? (idempotency ? defaults.unkeyed : undefined),
    binary: values.binary ?? (idempotency ? defaults.keyed : defaults.binary),
  };
}
