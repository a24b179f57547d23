// Which popups are open, as a part of the address: they can be linked to, and the browser's back button closes them.
//   /page/<uid>/a/<block uid>/<action>/<record key or _>/r/<collection>/<record key>/...

export type Step =
  | { kind: 'action'; block: string; action: string; key: string }
  | { kind: 'record'; collection: string; key: string };

export function parseSteps(rest: string): Step[] {
  const parts = rest.split('/').filter(Boolean).map(decodeURIComponent);
  const steps: Step[] = [];
  for (let i = 0; i < parts.length; ) {
    if (parts[i] === 'a' && parts.length >= i + 4) {
      steps.push({ kind: 'action', block: parts[i + 1], action: parts[i + 2], key: parts[i + 3] });
      i += 4;
    } else if (parts[i] === 'r' && parts.length >= i + 3) {
      steps.push({ kind: 'record', collection: parts[i + 1], key: parts[i + 2] });
      i += 3;
    } else break;
  }
  return steps;
}

export function formatSteps(steps: Step[]): string {
  return steps
    .map((step) =>
      (step.kind === 'action' ? ['a', step.block, step.action, step.key] : ['r', step.collection, step.key])
        .map((part) => encodeURIComponent(part))
        .join('/'),
    )
    .join('/');
}
