// Figures of the moment, as they come in: one stream per page, ended with it.

import { useEffect, useState } from "/ui/vendor/preact.js";

/** {told, lost}: the newest figures of everything in sight, or of one account; `lost` says why there are none. */
export function useLive(accountId = null) {
  const [state, setState] = useState({ told: null, lost: null });
  useEffect(() => {
    const query = accountId ? `?account_id=${encodeURIComponent(accountId)}` : "";
    const stream = new EventSource(`/api/v1/live${query}`);
    stream.onmessage = (event) => {
      const told = JSON.parse(event.data);
      if (told.unavailable) setState((before) => ({ told: before.told, lost: told.unavailable }));
      else setState({ told, lost: null });
    };
    return () => stream.close();
  }, [accountId]);
  return state;
}
