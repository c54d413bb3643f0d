"use client";

import { useEffect, useState } from "react";
import type { ReactNode } from "react";

export function Headlines(): ReactNode {
  const [headlines, setHeadlines] = useState<readonly { id: string; text: string }[]>([]);
  useEffect(() => {
    const source = new EventSource("/news");
    source.addEventListener("headline", ({ lastEventId: id, data }) => {
      const { text } = JSON.parse(data as string) as { text: string };
      setHeadlines((earlier) => [...earlier, { id, text }]);
    });
    return () => source.close();
  }, []);
  return (
    <ol>
      {headlines.map(({ id, text }) => (
        <li key={id}>{text}</li>
      ))}
    </ol>
  );
}
