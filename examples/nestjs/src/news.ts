import { Injectable } from "@nestjs/common";
import type { BeforeApplicationShutdown } from "@nestjs/common";
import { createHub } from "@sluice/core";
import type { Channel } from "@sluice/core";

@Injectable()
export class News implements BeforeApplicationShutdown {
  readonly #hub = createHub();
  readonly channel: Channel = this.#hub.channel("news");

  /** Before Nest closes its server, which waits for every open response. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.#hub.close();
  }
}
