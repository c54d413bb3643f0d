// @types/express describes Express 5; what these tests use of 4 is the same.
declare module "express4" {
  export { default } from "express";
}
