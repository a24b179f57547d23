import { describe, expect, it } from 'vitest';
// @ts-expect-error a script, without types
import { texts } from '../../tools/texts.mjs';
import { en } from './en';
import { zh } from './zh';

describe('texts', () => {
  const shown: string[] = texts('src');
  it('are all there in Chinese', () => {
    const plain = /[A-Za-z]{2}/;
    expect(shown.filter((text) => plain.test(text) && !(text in zh))).toEqual([]);
    expect(Object.keys(en).filter((key) => !(key in zh))).toEqual([]);
  });
  it('keep their variables', () => {
    const variables = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}/g)].map((match) => match[1]).sort();
    for (const [english, chinese] of Object.entries(zh))
      expect(variables(chinese), english).toEqual(variables(en[english] ?? english));
  });
});
