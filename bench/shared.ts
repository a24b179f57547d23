// What every kind of measurement needs.

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

// What may happen to be running: started processes and folders, undone in the opposite order.
export class CleanUp {
  private steps: (() => Promise<void> | void)[] = [];
  add(step: () => Promise<void> | void) {
    this.steps.push(step);
  }
  async run() {
    for (let step = this.steps.pop(); step; step = this.steps.pop()) await step();
  }
}

export const progress = (text: string) => process.stderr.write(`${text}\n`);
