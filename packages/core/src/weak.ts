/**
 * Remembers an object without keeping it alive.
 *
 * Some runtimes do not have `WeakRef` (workerd before its date 2025-05-05): there, nothing is remembered.
 *
 * @returns gives the object, or undefined once it has been collected
 */
export function weakly<Target extends object>(target: Target): () => Target | undefined {
  if (typeof WeakRef === "undefined") return () => undefined;
  const ref = new WeakRef(target);
  return () => ref.deref();
}
