import type { ReactNode } from "react";
import { Headlines } from "./headlines.tsx";
import { news } from "./news/channel.ts";

async function publish(form: FormData): Promise<void> {
  "use server";
  await news.publish({ event: "headline", data: { text: form.get("text") } });
}

export default function Page(): ReactNode {
  return (
    <main>
      <form action={publish}>
        <input name="text" aria-label="Headline" required />
        <button>Publish</button>
      </form>
      <Headlines />
    </main>
  );
}
