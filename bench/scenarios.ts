// What is measured: the request, and what of it changes from one request to the next.
//
// Each scenario has variants (equally frequent). A variant's first request is sent once with
// PostgreSQL's log on; pgbench then runs the very SQL that the server sent, with the same random
// values: every value that equals a `varying` example is drawn from that range.
export interface Varying {
  example: number; // stands for the value in `path` and `body`, as {0}, {1}, ...
  from: number;
  to: number;
}

export interface Variant {
  method: 'GET' | 'POST';
  path: string; // below /api/
  body?: string;
  varying: Varying[];
  named?: boolean; // each request has an Idempotency-Key of its own
}

export interface Scenario {
  name: string;
  title: string;
  creates: boolean;
  counts: boolean; // its SQL has a count of all rows
  variants: (size: { orders: number; customers: number }) => Variant[];
}

const list = (query: string): Variant => ({
  method: 'GET',
  path: `orders:list?pageSize=20${query}`,
  varying: [],
});

const create = (customer: string, named = false) => (size: { customers: number }): Variant[] => [
  {
    named,
    method: 'POST',
    path: 'orders:create',
    body:
      '{"no":"N-2000001","total":99.5,"status":"paid","placedAt":"2024-05-06T07:08:09.000Z",' +
      `${customer}}`,
    varying: [{ example: Math.min(789, size.customers), from: 1, to: size.customers }],
  },
];

// Four states times 900 thresholds: one shared count would not be what such a list costs.
const filtered = (): Variant[] =>
  ['new', 'paid', 'sent', 'done'].map((status) => ({
    method: 'GET',
    path:
      'orders:list?pageSize=20&sort=-placedAt&filter=' +
      encodeURIComponent(`{"status":"${status}","total":{"$gt":777}}`).replace('777', '{0}'),
    varying: [{ example: 777, from: 1, to: 900 }],
  }));

export const scenarios: Scenario[] = [
  {
    name: 'get',
    title: 'get by id',
    creates: false,
    counts: false,
    variants: ({ orders }) => [
      {
        method: 'GET',
        path: 'orders:get?filterByTk={0}',
        varying: [{ example: Math.min(54321, orders), from: 1, to: orders }],
      },
    ],
  },
  { name: 'list', title: 'list of 20', creates: false, counts: true, variants: () => [list('')] },
  {
    name: 'filtered',
    title: 'list, filtered and sorted',
    creates: false,
    counts: true,
    variants: filtered,
  },
  {
    name: 'appends',
    title: 'list with a relation',
    creates: false,
    counts: true,
    variants: () => [list('&appends[]=customer')],
  },
  {
    name: 'create',
    title: 'create with a relation',
    creates: true,
    counts: false,
    variants: create('"customer":{"id":{0}}'),
  },
  {
    name: 'create-key',
    title: 'create with a foreign key',
    creates: true,
    counts: false,
    variants: create('"customerId":{0}'),
  },
  {
    name: 'create-named',
    title: 'the same with an Idempotency-Key',
    creates: true,
    counts: false,
    variants: create('"customerId":{0}', true),
  },
];

// `{0}`, `{1}`, ... in a path or body replaced by the examples.
export const example = (text: string, varying: Varying[]) =>
  varying.reduce((all, one, index) => all.replace(`{${index}}`, String(one.example)), text);
