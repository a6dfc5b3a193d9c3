/** One file on its way to the server, with its progress. */

/**
 * Send a file; resolves to the response.
 *
 * Not by `fetch`: that tells no progress, or wants HTTP/2 for it.
 *
 * @param {{onProgress?: (share: number) => void, signal?: AbortSignal}} options
 */
export function sendFile(url, file, { onProgress, signal } = {}) {
  const request = new XMLHttpRequest();
  const body = new FormData();
  body.append("file", file);
  return new Promise((resolve, reject) => {
    request.open("POST", url);
    request.setRequestHeader("X-CSRFToken", cookie("csrftoken"));
    request.upload.addEventListener("progress", ({ loaded, total }) => onProgress?.(loaded / total));
    request.addEventListener("load", () => {
      resolve(new Response(request.responseText, { status: request.status }));
    });
    request.addEventListener("error", () => reject(new TypeError("The connection is lost.")));
    request.addEventListener("abort", () => reject(new DOMException("Stopped.", "AbortError")));
    signal?.addEventListener("abort", () => request.abort());
    request.send(body);
  });
}

function cookie(name) {
  const found = document.cookie.split("; ").find((each) => each.startsWith(`${name}=`));
  return decodeURIComponent(found?.slice(name.length + 1) ?? "");
}
