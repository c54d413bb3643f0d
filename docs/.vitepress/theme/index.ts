import DefaultTheme from "vitepress/theme";
import type { Theme } from "vitepress";
import EventPath from "./EventPath.vue";
import ResumeLog from "./ResumeLog.vue";
import "./style.css";

export default {
  extends: DefaultTheme,
  enhanceApp({ app }) {
    app.component("EventPath", EventPath);
    app.component("ResumeLog", ResumeLog);
  },
} satisfies Theme;
