// @types/koa describes Koa 3; what these tests use of 2 is the same.
declare module "koa2" {
  export { default } from "koa";
}
