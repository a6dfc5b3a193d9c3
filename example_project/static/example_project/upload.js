/** One file on its way to the server or to its storage, with its progress. */

/**
 * Send a file to the server as a form; resolves to the response.
 *
 * @param {{onProgress?: (share: number) => void, signal?: AbortSignal}} options
 */
export function sendFile(url, file, options) {
  const body = new FormData();
  body.append("file", file);
  return send("POST", url, { "X-CSRFToken": token() }, body, options);
}

/** Send the bytes of a file where ChatKit's `upload_descriptor` says; takes the same options. */
export function sendBytes({ url, method, headers }, file, options) {
  return send(method, url, headers ?? {}, file, options);
}

/** Not by `fetch`: that tells no progress, or wants HTTP/2 for it. */
function send(method, url, headers, body, { onProgress, signal } = {}) {
  const request = new XMLHttpRequest();
  return new Promise((resolve, reject) => {
    request.open(method, url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
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

function token() {
  const found = document.cookie.split("; ").find((each) => each.startsWith("csrftoken="));
  if (found) return decodeURIComponent(found.slice("csrftoken=".length));
  // Of `{% csrf_token %}`, where no script may read the cookie.
  return document.querySelector("input[name=csrfmiddlewaretoken]")?.value ?? "";
}
