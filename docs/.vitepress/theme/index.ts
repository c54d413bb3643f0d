import DefaultTheme from "vitepress/theme";
import type { Theme } from "vitepress";
import EventPath from "./EventPath.vue";
import "./style.css";

export default {
  extends: DefaultTheme,
  enhanceApp({ app }) {
    app.component("EventPath", EventPath);
  },
} satisfies Theme;
