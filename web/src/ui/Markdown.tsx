import DOMPurify from 'dompurify';
import { marked } from 'marked';
import { useMemo } from 'react';

export default function Markdown({ text }: { text: string }) {
  const html = useMemo(() => DOMPurify.sanitize(marked.parse(text, { async: false })), [text]);
  // biome-ignore lint/security/noDangerouslySetInnerHtml: cleaned by DOMPurify
  return <div className="markdown" dangerouslySetInnerHTML={{ __html: html }} />;
}
